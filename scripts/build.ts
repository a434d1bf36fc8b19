// Owns `npm run build`: the publishable package in dist/, checked against what package.json promises.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import * as v from "valibot";

const root = join(import.meta.dirname, "..");
const manifest = v.object({
  exports: v.record(v.string(), v.union([v.string(), v.record(v.string(), v.string())])),
  bin: v.record(v.string(), v.string()),
});

rmSync(join(root, "dist"), { recursive: true, force: true });
const tsc = join(root, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status !== 0) throw new Error("The build failed: see the compiler's output above.");
const app = spawnSync(process.execPath, ["scripts/build-app.ts"], { cwd: root, stdio: "inherit" });
if (app.status !== 0) throw new Error("The browser files were not built: see the output above.");

const { exports, bin } = v.parse(manifest, JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
for (const file of Object.values(bin).map((path) => join(root, path))) {
  const text = readFileSync(file, "utf8");
  if (!text.startsWith("#!")) writeFileSync(file, `#!/usr/bin/env node\n${text}`);
  chmodSync(file, 0o755);
}
const promised = Object.values(exports).flatMap((target) =>
  typeof target === "string" ? [target] : Object.values(target),
);
const missing = promised.filter((path) => !existsSync(join(root, path)));
if (missing.length > 0) throw new Error(`package.json promises what the build does not make: ${missing.join(", ")}`);

const { messages, pkg } = await publint({ pkgDir: root, strict: true });
for (const message of messages) console.error(formatMessage(message, pkg) ?? message.code);
if (messages.length > 0) throw new Error("publint has found something.");
console.log("dist/ is built, publint is clean.");
