// Owns the checks of the test model server itself, where it runs as a process of its own, and of its text.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseDirective } from "../support/model-server-behaviour.ts";
import { expectedText, pieces } from "../support/model-server.ts";
import { hear, openAi } from "./calls.ts";

it("MS1 the text is as long as asked for, well-formed, the same every time, another for another seed", () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(5_000), fc.integer({ min: 1, max: 50 }), (seed, chars, size) => {
      const text = expectedText(seed, chars);
      expect(text.length).toBe(chars);
      expect(text.isWellFormed()).toBe(true);
      expect(expectedText(seed, chars)).toBe(text);
      expect([...pieces(text, size)].join("")).toBe(text);
      expect([...pieces(text, size)].every((piece) => piece.isWellFormed())).toBe(true);
      // Shorter ones are its beginnings, but for a last character that was cut.
      expect(text.startsWith(expectedText(seed, Math.max(0, chars - 100)).slice(0, -1))).toBe(true);
    }),
  );
  expect(expectedText(1, 500)).not.toBe(expectedText(2, 500));
  expect(expectedText(1, 5_000)).toMatch(/(?=.*"quoted")(?=.*\n)(?=.*👩‍👩‍👧‍👦)/s);
});

it("MS2 a directive with a typo is an error, not another behaviour", () => {
  expect(parseDirective("hello {{chars=5 pairs cut=2}}")).toEqual({ chars: 5, pairs: true, cut: 2 });
  expect(parseDirective("hello")).toBeUndefined();
  expect(() => parseDirective("{{char=5}}")).toThrow("unknown directive char");
});

it("MS3 as a process it prints its address, serves, and tells what it was asked", async () => {
  const script = fileURLToPath(new URL("../support/model-server.ts", import.meta.url));
  const child = spawn(process.execPath, [script, "--port", "0", "--behaviour", "chars=70 seed=3"], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  try {
    const [line] = await once(child.stdout?.setEncoding("utf8") ?? child, "data");
    const { url, origin } = JSON.parse(String(line));
    expect((await hear(openAi(url), "hello")).text).toBe(expectedText(3, 70));
    const [record] = await (await fetch(`${origin}/requests`)).json();
    expect(record).toMatchObject({ chars: 70, messages: [{ role: "user", content: "hello" }] });
    await fetch(`${origin}/behaviours`, { method: "POST", body: '{"chars":9}' });
    expect((await hear(openAi(url), "hello")).text).toBe(expectedText(1, 9));
  } finally {
    child.kill();
    await once(child, "exit");
  }
});
