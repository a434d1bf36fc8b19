// Owns that the app is built before any test asks for it: once a run, and not by two files at the same time.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

export function setup(): void {
  const root = join(import.meta.dirname, "../..");
  execFileSync(process.execPath, [join(root, "scripts/build-app.ts"), "--if-stale"], { cwd: root, stdio: "ignore" });
}
