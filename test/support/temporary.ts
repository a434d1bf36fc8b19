// Owns directories that live as long as a test. Must not be used outside of a test.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A fresh directory, removed when the running test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "throughline-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
