// Owns the proof that the files of deploy fit the program; runs no proxy and no systemd.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as v from "valibot";
import { readSettings } from "../../src/settings.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const unit = read("deploy/throughline.service");
const start = readSettings({});
if (!start.ok) throw new Error("The defaults do not start.");

test("DO6 the unit sets settings that exist, to values that they take", () => {
  const lines = [...unit.matchAll(/^Environment=([A-Z_]+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]);
  const known = read("src/settings.ts");
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.filter(([name]) => name !== "NODE_ENV" && !known.includes(`take("${name}"`))).toEqual([]);
  expect(readSettings(Object.fromEntries(lines))).toMatchObject({ ok: true });
});

test("DO6 the unit and the image start the package's program as `npm start` does, and the unit waits longer than a drain takes", () => {
  const form = v.object({ bin: v.object({ throughline: v.string() }), scripts: v.object({ start: v.string() }) });
  const { bin, scripts } = v.parse(form, JSON.parse(read("package.json")));
  const started = scripts.start.replace("src/main.ts", bin.throughline);
  expect(started).toMatch(/^node --max-semi-space-size=\d+ dist\/main.js$/);
  expect(/^ExecStart=\/usr\/bin\/env (.+)$/m.exec(unit)?.[1]).toBe(started);
  const command = /^CMD (.+)$/m.exec(read("deploy/Dockerfile"))?.[1] ?? "[]";
  expect(v.parse(v.array(v.string()), JSON.parse(command)).join(" ")).toBe(started);
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) * 1000).toBeGreaterThan(start.settings.drainMs);
});

test("DO6 both proxies lead to where the server listens by default", () => {
  const { host, port } = start.settings;
  const nginx = /^ +server ([^;]+);/m.exec(read("deploy/nginx.conf"))?.[1];
  const caddy = /reverse_proxy (\S+) \{/.exec(read("deploy/Caddyfile"))?.[1];
  expect([nginx, caddy]).toEqual([`${host}:${port}`, `${host}:${port}`]);
});
