// Owns the proof that the contracts which the server gives are valid, whole, and those that it keeps.
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv } from "ajv";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { event } from "../../src/protocol/events.ts";
import { commandSchemas, serverFrame } from "../../src/protocol/index.ts";
import { sendTo, Stage, until, type Served } from "../server/talker.ts";

const app = join(import.meta.dirname, "../../dist/public");
const stage = new Stage();
let served: Served;
type Document = { readonly [name: string]: Document };
let socket: Document;
let http: Document;
const get = (path: string): Promise<Response> => fetch(`http://${served.address}${path}`);
beforeAll(async () => {
  served = await stage.serve({ policy: "off", app });
  socket = (await (await get("/api/v1/asyncapi.json")).json()) as Document;
  http = (await (await get("/api/v1/openapi.json")).json()) as Document;
});
afterAll(() => stage.end());
const names = (value: Document | undefined): string[] => Object.keys(value ?? {}).sort();

describe("DO7 the socket's contract", () => {
  test("DO7 it is valid AsyncAPI 3", async () => {
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(socket));
    expect(diagnostics.filter(({ severity }) => String(severity) === "0")).toEqual([]);
    expect(document?.version()).toBe("3.0.0");
  });
  test("DO7 every command and every frame is in it, and no other", () => {
    const commands = Object.keys(commandSchemas);
    const frames = serverFrame.options.map(({ entries }) => `server.${entries.type.literal}`);
    expect(names(socket["components"]?.["messages"])).toEqual([...commands, ...frames].sort());
    expect(names(socket["operations"])).toEqual(
      [...commands, ...frames.filter((name) => !/\.(ack|error)$/.test(name))].sort(),
    );
    const kinds = event.options.map(({ entries }) => entries.kind.literal);
    expect(
      [...JSON.stringify(socket["components"]?.["schemas"]?.["event"]).matchAll(/"kind":\{"const":"([^"]+)"/g)].map(
        ([, kind]) => kind,
      ),
    ).toEqual(kinds);
  });
  test("DO7 what is really sent and answered fits it; what the server refuses as invalid mostly does not", async () => {
    const ajv = new Ajv({ strict: false });
    const fits = (name: string, value: unknown): boolean => {
      const payload = socket["components"]?.["messages"]?.[name]?.["payload"];
      if (payload === undefined) throw new Error(`${name} has no shape`);
      return ajv.validate(payload, value);
    };
    const talker = await served.talk();
    const conversation = crypto.randomUUID();
    const command = sendTo(conversation, "3 words every 0 ms");
    expect(fits("message.send", { id: "1", ...command })).toBe(true);
    expect(fits("message.send", { ...command, id: "1", conversation: 7 })).toBe(false);
    expect(fits("message.send", { ...command, id: "1", parts: [{ type: "file", file: "x", path: "/etc" }] })).toBe(
      false,
    );
    expect(fits("conversation.list", { type: "conversation.list", id: "1", limit: 101 })).toBe(false);
    await talker.ask(command);
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.events().some(({ kind }) => kind === "turn.finished"), "the end");
    await talker.ask({ type: "conversation.open", conversation: "no such" });
    await talker.ask({ type: "conversation.list" });
    await talker.ask({ type: "conversation.close", conversation });
    await talker.ask({ type: "conversation.open", conversation });
    await until(() => talker.frames.some(({ type }) => type === "snapshot"), "the snapshot");
    const seen = new Set<string>();
    for (const frame of talker.frames) {
      seen.add(frame.type);
      expect([frame, fits(`server.${frame.type}`, frame)]).toEqual([frame, true]);
    }
    expect([...seen]).toEqual(expect.arrayContaining(["ack", "error", "events", "snapshot", "live"]));
  });
});

describe("DO7 the contract of HTTP", () => {
  test("DO7 it is valid OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(http));
    expect([valid, errors]).toEqual([true, undefined]);
  });
  test("DO7 every route of the server is in it; each of it is there", async () => {
    const described = Object.entries(http["paths"] ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const add = "add it to `paths` in src/server/open-api.ts";
    const missing = served.host.routes.filter((route) => !described.includes(route));
    expect(missing, add).toEqual([]);
    // Pages are there where a program serves them: `main.ts` does.
    const pages = ["GET /", "GET /widget.js"];
    expect(described.filter((route) => !served.host.routes.includes(route))).toEqual(pages);
    for (const route of described.filter((one) => !pages.includes(one) && one.startsWith("GET"))) {
      const path = route.slice(4).replace("{id}", "0".repeat(32));
      expect([route, (await get(path)).status]).not.toEqual([route, 404]);
    }
  });
});

test("DO8 the page shows all of it, without a script, and may ask nobody", async () => {
  const answer = await get("/docs");
  const page = await answer.text();
  expect(answer.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/);
  expect(page).not.toMatch(/<script|src=|@import|url\(/i);
  for (const name of [...Object.keys(commandSchemas), ...Object.keys(http["paths"] ?? {})])
    expect(page).toContain(name);
});

test("DO8 a program that embeds the server without its pages keeps `/docs` for itself; the contracts are there", async () => {
  const own = new Stage();
  onTestFinished(() => own.end());
  const { address, host } = await own.serve();
  expect((await fetch(`http://${address}/docs`)).status).toBe(404);
  expect((await fetch(`http://${address}/api/v1/openapi.json`)).status).toBe(200);
  expect(host.routes).not.toContain("GET /docs");
});
