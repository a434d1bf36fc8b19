// Owns where Prometheus' checker is, and running it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** `PROMTOOL_PATH`, or where distributions put it. */
export function findPromtool(): string | undefined {
  return [process.env["PROMTOOL_PATH"], "/usr/bin/promtool", "/usr/local/bin/promtool"].find(
    (path) => path !== undefined && existsSync(path),
  );
}

/** What it says, and whether it found nothing wrong. */
export function promtool(args: readonly string[], input = ""): { ok: boolean; said: string } {
  const path = findPromtool();
  if (path === undefined) throw new Error("promtool is missing: run npm run setup:test.");
  const { status, stdout, stderr } = spawnSync(path, args, { input, encoding: "utf8" });
  return { ok: status === 0, said: stdout + stderr };
}
