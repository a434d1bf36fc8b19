// Owns looking for a text in files, as it is and as it might be written. Must not know what the files are.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** `file: form` for every file below a directory that holds a text: as UTF-8, UTF-16, base64 (at any offset) or hex. */
export function findText(directory: string, text: string): string[] {
  const utf8 = Buffer.from(text, "utf8");
  // Cut at the ends: those characters also depend on what stands beside.
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), utf8])
      .toString("base64")
      .slice(4, -4)
      .replaceAll("=", ""),
  );
  const forms: Record<string, Buffer[]> = {
    utf8: [utf8],
    utf16: [Buffer.from(text, "utf16le")],
    hex: [Buffer.from(utf8.toString("hex")), Buffer.from(utf8.toString("hex").toUpperCase())],
    base64: base64.map((part) => Buffer.from(part)),
  };
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      return Object.entries(forms).flatMap(([form, parts]) =>
        parts.some((part) => bytes.includes(part)) ? [`${entry.name}: ${form}`] : [],
      );
    });
}
