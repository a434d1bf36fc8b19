// Owns what the tests need of a machine: a list of steps, each of which finds its part, fetches it, or says what is missing.
import { spawnSync } from "node:child_process";
import { findChromium } from "../test/browser/chromium.ts";
import { findProgram, proxyPrograms } from "../test/docs/proxy-programs.ts";
import { findPromtool } from "../test/observe/promtool.ts";
import { findCompiler } from "../test/store/compiler.ts";

/** One part. Resolves to what it found; rejects with a sentence that says what is missing and what to do about it. */
type Step = { readonly name: string; readonly prepare: () => Promise<string> };

/** Runs a program and shows what it says only where it fails. */
function run(program: string, args: readonly string[], env: Record<string, string> = {}): boolean {
  const { status, stderr } = spawnSync(program, args, { env: { ...process.env, ...env }, encoding: "utf8" });
  if (status !== 0) console.error(stderr);
  return status === 0;
}

/** A package of Debian, where this may be done. */
function installPackage(name: string, ...flags: string[]): boolean {
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  if (process.getuid?.() !== 0 || !run("apt-get", ["update", "-qq"], quiet)) return false;
  return run("apt-get", ["install", "-y", "-qq", ...flags, name], quiet);
}

const neededNode = [24, 18, 1] as const;

function isAtLeast(version: string, needed: readonly number[]): boolean {
  const have = version.replace(/^v/, "").split(".").map(Number);
  const differing = needed.findIndex((part, i) => have[i] !== part);
  return differing === -1 || (have[differing] ?? 0) > (needed[differing] ?? 0);
}

const steps: readonly Step[] = [
  {
    name: "Node",
    prepare() {
      if (isAtLeast(process.version, neededNode)) return Promise.resolve(process.version);
      const needed = neededNode.join(".");
      return Promise.reject(
        new Error(`Node ${needed} or newer is needed, this is ${process.version}. Run "npm ci", then use "npm run".`),
      );
    },
  },
  {
    name: "Chromium",
    prepare() {
      const found = findChromium();
      if (found !== undefined) return Promise.resolve(found);
      if (installPackage("chromium")) {
        return Promise.resolve(`installed, ${findChromium() ?? "not found"}`);
      }
      return Promise.reject(
        new Error("Chromium is missing. Install it (Debian: apt-get install chromium), or name it in CHROMIUM_PATH."),
      );
    },
  },
  {
    name: "promtool",
    prepare() {
      const found = findPromtool();
      if (found !== undefined) return Promise.resolve(found);
      if (installPackage("prometheus", "--no-install-recommends"))
        return Promise.resolve(`installed, ${findPromtool() ?? "not found"}`);
      return Promise.reject(
        new Error("promtool is missing. Install it (Debian: apt-get install prometheus), or name it in PROMTOOL_PATH."),
      );
    },
  },
  ...proxyPrograms.map(({ name, package: debian, variable }) => ({
    name,
    prepare() {
      const found = findProgram(name);
      if (found !== undefined) return Promise.resolve(found);
      if (installPackage(debian, "--no-install-recommends"))
        return Promise.resolve(`installed, ${findProgram(name) ?? "not found"}`);
      return Promise.reject(
        new Error(`${name} is missing. Install it (Debian: apt-get install ${debian}), or name it in ${variable}.`),
      );
    },
  })),
  {
    name: "C compiler",
    prepare() {
      const found = findCompiler();
      if (found !== undefined) return Promise.resolve(found);
      if (installPackage("gcc", "--no-install-recommends", "libc6-dev"))
        return Promise.resolve(`installed, ${findCompiler() ?? "not found"}`);
      return Promise.reject(
        new Error("A C compiler is missing. Install it (Debian: apt-get install gcc libc6-dev), or name it in CC."),
      );
    },
  },
  {
    name: "App",
    prepare() {
      if (run(process.execPath, ["scripts/build-app.ts", "--if-stale"])) return Promise.resolve("built");
      return Promise.reject(new Error("The browser files could not be built: see the output above."));
    },
  },
];

for (const { name, prepare } of steps) {
  try {
    console.log(`setup: ${name}: ${await prepare()}`);
  } catch (error) {
    console.error(`setup: ${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
