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

test("DO6 the unit starts the package's program, and waits longer than a drain takes", () => {
  const { bin } = v.parse(v.object({ bin: v.object({ throughline: v.string() }) }), JSON.parse(read("package.json")));
  expect(/^ExecStart=.* node (.+)$/m.exec(unit)?.[1]).toBe(bin.throughline);
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) * 1000).toBeGreaterThan(start.settings.drainMs);
});

test("DO6 both proxies lead to where the server listens by default", () => {
  const { host, port } = start.settings;
  const nginx = /^ +server ([^;]+);/m.exec(read("deploy/nginx.conf"))?.[1];
  const caddy = /reverse_proxy (\S+) \{/.exec(read("deploy/Caddyfile"))?.[1];
  expect([nginx, caddy]).toEqual([`${host}:${port}`, `${host}:${port}`]);
});
