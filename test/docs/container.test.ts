// Owns the proof that what the image is made of runs: the built program without its development packages, from a folder that cannot be
// written, as another user. It builds no image; the steps are those of deploy/Dockerfile, whose lines are read here.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as v from "valibot";
import { demoReply } from "../../src/adapters/models/demo-text.ts";
import { readSettings } from "../../src/settings.ts";
import { Stranger } from "../e2e/stranger.ts";
import { until } from "../server/talker.ts";
import { freePort } from "./proxy-process.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const file = read("deploy/Dockerfile");
const compose = read("deploy/compose.yml");
const last = file.slice(file.lastIndexOf("\nFROM "));
const words = v.array(v.string());
const listOf = (pattern: RegExp): string[] => v.parse(words, JSON.parse(pattern.exec(last)?.[1] ?? "null"));
const [command, health] = [listOf(/^CMD (\[.*\])$/m), listOf(/^HEALTHCHECK[^\n]*\\\n +CMD (\[.*\])$/m)];
const environment = Object.fromEntries(
  [...(/^ENV (.*)$/m.exec(last)?.[1] ?? "").matchAll(/(\w+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]),
);

/** A compiler and several processes, one after the other, on a machine that may be busy. */
const patience = 120_000;

describe("deploy/Dockerfile and deploy/compose.yml", () => {
  test("DO9 the image starts the package's program without a shell, as no root, with settings that exist and are taken", () => {
    const { bin, engines } = v.parse(
      v.object({ bin: v.object({ throughline: v.string() }), engines: v.object({ node: v.string() }) }),
      JSON.parse(read("package.json")),
    );
    expect(command).toEqual(["node", "--max-semi-space-size=4", bin.throughline]);
    expect(/^USER (.+)$/m.exec(last)?.[1]).toBe("node");
    const known = read("src/settings.ts");
    const names = Object.keys(environment).filter((name) => name !== "NODE_ENV");
    expect(names.length).toBeGreaterThan(2);
    expect(names.filter((name) => !known.includes(`take("${name}"`))).toEqual([]);
    expect(readSettings(environment)).toMatchObject({ ok: true });
    expect(/^VOLUME (.+)$/m.exec(last)?.[1]).toBe(environment["DATA_DIR"]);
    expect(/^EXPOSE (.+)$/m.exec(last)?.[1]).toBe(environment["PORT"]);
    const versions = [...file.matchAll(/^FROM node:([\d.]+)/gm)].map(([, version = ""]) => version);
    expect(new Set(versions).size).toBe(1);
    const needed = engines.node.replace(">=", "");
    expect(needed.localeCompare(versions[0] ?? "", "en", { numeric: true })).toBeLessThanOrEqual(0);
  });

  test("DO9 compose gives a read-only root, the volume, the settings' own port, and longer to stop than a drain takes", () => {
    const plain = readSettings({});
    if (!plain.ok) throw new Error("The defaults do not start.");
    const { drainMs, port } = plain.settings;
    expect(compose).toMatch(/^ {4}read_only: true$/m);
    expect(compose).toContain(`volumes: ["data:${environment["DATA_DIR"]}"]`);
    expect(compose).toContain(`ports: ["127.0.0.1:${port}:${port}"]`);
    expect(Number(/stop_grace_period: (\d+)s$/m.exec(compose)?.[1]) * 1000).toBeGreaterThan(drainMs);
    const trusted = /TRUSTED_PROXIES: (\S+)$/m.exec(compose)?.[1] ?? "";
    expect(compose).toContain(`gateway: ${trusted}`);
    expect(readSettings({ ...environment, TRUSTED_PROXIES: trusted })).toMatchObject({ ok: true });
  });
});

describe("what the image is made of", () => {
  const place = mkdtempSync(join(tmpdir(), "throughline-image-"));
  const [app, data, node] = [join(place, "app"), join(place, "data"), join(place, "node")];
  // The image's user; whoever is no root is somebody else than root already.
  const user = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};
  let port = 0;
  let server: ChildProcess | undefined;
  let output = "";

  beforeAll(async () => {
    mkdirSync(app);
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const built = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", join(app, "dist")], {
      cwd: root,
      encoding: "utf8",
    });
    if (built.status !== 0) throw new Error(built.stdout + built.stderr);
    cpSync(join(root, "dist/public"), join(app, "dist/public"), { recursive: true });
    cpSync(join(root, "package.json"), join(app, "package.json"));
    const lock = v.parse(
      v.object({ packages: v.record(v.string(), v.record(v.string(), v.unknown())) }),
      JSON.parse(read("package-lock.json")),
    );
    const others = ["dev", "devOptional", "optional", "peer"];
    for (const [path, about] of Object.entries(lock.packages)) {
      if (path === "" || others.some((kind) => about[kind] === true)) continue;
      cpSync(join(root, path), join(app, path), { recursive: true });
    }
    cpSync(process.execPath, node);
    mkdirSync(data, { mode: 0o700 });
    if (user.uid !== undefined) chownSync(data, user.uid, user.gid);
    spawnSync("chmod", ["-R", "a-w,a+rX", app]);
    chmodSync(place, 0o755);
    port = await freePort();
  }, patience);

  afterAll(() => {
    server?.kill("SIGKILL");
    spawnSync("chmod", ["-R", "u+w", app]);
    rmSync(place, { recursive: true, force: true });
  });

  /** Runs one of the image's commands as its user would, with 256 MB for the heap: what Node takes of 512 MB. */
  const run = (line: readonly string[], more: Record<string, string> = {}): ChildProcess => {
    const env = { ...environment, HOST: "127.0.0.1", PORT: String(port), DATA_DIR: data, ...more };
    return spawn(line[0] === "node" ? node : (line[0] ?? ""), ["--max-old-space-size=256", ...line.slice(1)], {
      ...user,
      cwd: app,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  const codeOf = async (child: ChildProcess): Promise<unknown> => (await once(child, "exit"))[0];

  async function start(more: Record<string, string> = {}): Promise<string> {
    output = "";
    server = run(command, more);
    for (const stream of [server.stdout, server.stderr]) stream?.on("data", (data: Buffer) => (output += String(data)));
    await until(
      () => {
        if (server?.exitCode !== null) throw new Error(output);
        return output.includes("is ready");
      },
      "the start",
      patience,
    );
    return `http://127.0.0.1:${port}`;
  }

  test(
    "DO9 OP09 it cannot write its own folder, runs with what is declared, and its health check tells living from dead",
    async () => {
      const write = run(["node", "-e", "require('node:fs').writeFileSync('dist/main.js', '')"]);
      expect(await codeOf(write)).toBe(1);
      expect(await codeOf(run(health))).toBe(1);
      const url = await start();
      expect(await codeOf(run(health))).toBe(0);
      expect(await (await fetch(url)).text()).toContain("<!doctype html>");
      expect(existsSync(join(data, "throughline.db"))).toBe(true);
      server?.kill("SIGTERM");
      expect(await codeOf(server ?? run([]))).toBe(0);
      expect(await codeOf(run(health))).toBe(1);
    },
    patience,
  );

  test(
    "DO9 OP08 OP09 G12 SIGTERM in the middle of a reply: out with 0 when the drain's time is over, and the next start goes on",
    async () => {
      let url = await start({ DRAIN_MS: "1000" });
      const first = await Stranger.connect(url);
      const conversation = crypto.randomUUID();
      const sent = await first.send(conversation, "slow");
      const reply = String(sent["reply"]);
      const reader = await first.open(conversation);
      await until(() => (reader.texts.get(reply)?.length ?? 0) > 20, "some text");
      const began = performance.now();
      server?.kill("SIGTERM");
      expect(await codeOf(server ?? run([]))).toBe(0);
      expect(performance.now() - began).toBeLessThan(30_000);
      await until(() => first.closed, "the close");
      expect(first.closed).toBe(1012);
      expect(reader.finished.size).toBe(0);
      const seen = reader.texts.get(reply) ?? "";
      url = await start({ DRAIN_MS: "1000" });
      const second = await Stranger.connect(url, first);
      const after = second.readers.get(conversation);
      await until(() => (after?.texts.get(reply)?.length ?? 0) > seen.length + 20, "more text");
      expect(after?.texts.get(reply)?.startsWith(seen)).toBe(true);
      expect(demoReply("slow").text.startsWith(after?.texts.get(reply) ?? "?")).toBe(true);
      expect([...first.problems, ...second.problems]).toEqual([]);
      server?.kill("SIGKILL");
      second.cut();
    },
    patience,
  );
});
