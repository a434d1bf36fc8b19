// Proves how times of a day are written, whatever the hour is: the tests in browsers only see the hour at which they run.
import { expect, test } from "vitest";
import { createFormats } from "../../src/ui/formats.ts";

const at = (hour: number): Date => new Date(2026, 10, 23, hour, 7);

test("UI33 UI36 where a day has twenty-four hours each has two digits, and where it has twice twelve it says which", () => {
  for (let hour = 0; hour < 24; hour++) {
    const two = `${String(hour).padStart(2, "0")}:07`;
    for (const locale of ["en-GB", "de", "fr"]) {
      const formats = createFormats(locale);
      expect(formats.time(at(hour).toISOString()), locale).toBe(two);
      expect(formats.soon(at(hour).getTime(), at(0).getTime()), locale).toBe(two);
      const tomorrow = at(hour).getTime() + 24 * 3_600_000;
      expect(formats.soon(tomorrow, at(0).getTime()), locale).toMatch(new RegExp(`^\\p{L}+\\P{L}.*${two}$`, "u"));
    }
    const twelve = `${hour % 12 === 0 ? 12 : hour % 12}:07`;
    expect(createFormats("en-US").time(at(hour).toISOString())).toMatch(
      new RegExp(`^${twelve}\\s${hour < 12 ? "AM" : "PM"}$`),
    );
  }
});
