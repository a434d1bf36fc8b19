// Owns the proof that the files of deploy work: real proxies in front of a real server. PROXY_IDLE_SECONDS=600 leaves their times as they are.
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { Stranger } from "../e2e/stranger.ts";
import { png } from "../files/samples.ts";
import { Stage, until, words, type Served } from "../server/talker.ts";
import { ProxyProcess } from "./proxy-process.ts";

const given = process.env["PROXY_IDLE_SECONDS"];
/** The server pings every 25 s, and nginx bears 75 s of silence. Here everything is as much shorter, unless the option is set. */
const idle =
  given === undefined
    ? { heartbeatMs: 2000, patience: 8, seconds: 12 }
    : { heartbeatMs: 25_000, patience: undefined, seconds: Number(given) };
const patience = 120_000 + idle.seconds * 1000;

const proxies = [
  ["nginx", (address: string) => ProxyProcess.nginx(address, idle.patience)],
  ["Caddy", (address: string) => ProxyProcess.caddy(address)],
] as const;

let stage: Stage;
let served: Served;
let proxy: ProxyProcess | undefined;
/** Lets the model go on after its first words. */
let goOn = (): void => undefined;
const serve = async (make: (address: string) => Promise<ProxyProcess>, heartbeatMs: number): Promise<string> => {
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  const model = modelFrom({
    images: true,
    name: "in two halves",
    async *stream() {
      yield* words(20).match(/\S+ /g) ?? [];
      await waiting;
      yield* words(150).slice(words(20).length).match(/\S+ /g) ?? [];
    },
  });
  served = await stage.serve({ heartbeatMs, model, trustedProxies: ["127.0.0.1/32"] });
  proxy = await make(served.address);
  await proxy.start();
  return proxy.url;
};
beforeEach(() => void (stage = new Stage()));
afterEach(async () => {
  await proxy?.dispose();
  proxy = undefined;
  await stage.end();
}, patience);

describe.each(proxies)("through %s", (_name, make) => {
  test(
    "DO12 B06 G4 a reply streams, and goes on where it was when the proxy was away",
    { timeout: patience },
    async () => {
      const url = await serve(make, idle.heartbeatMs);
      const first = await Stranger.connect(url);
      const conversation = crypto.randomUUID();
      const sent = await first.send(conversation, "count");
      const reply = String(sent["reply"]);
      const reader = await first.open(conversation);
      await until(() => (reader.texts.get(reply)?.length ?? 0) > 30, "some text", 30_000);
      // It did not wait for the whole.
      expect(reader.finished.size).toBe(0);
      await proxy?.stop();
      await until(() => first.closed, "the close", 30_000);
      goOn();
      await proxy?.start();
      const second = await Stranger.connect(url, first);
      const after = second.readers.get(conversation);
      await until(() => after?.finished.size === 1, "the end", 30_000);
      expect(after?.texts.get(reply)).toBe(words(150));
      expect([...first.problems, ...second.problems]).toEqual([]);
      second.cut();
    },
  );

  test(
    "DO12 the page's own origin may come in, no other; an address that a client makes up goes no further",
    { timeout: patience },
    async () => {
      const url = await serve(make, idle.heartbeatMs);
      const claims = { "x-forwarded-for": "203.0.113.7", "x-real-ip": "203.0.113.7" };
      const stranger = await Stranger.connect(url, undefined, { guest: true }, { ...claims, origin: url });
      expect(await stranger.ask({ type: "session.list" })).toMatchObject({ sessions: [{ place: "this computer" }] });
      stranger.cut();
      const foreign = Stranger.connect(url, undefined, { guest: true }, { origin: "https://elsewhere.example" });
      await expect(foreign).rejects.toThrow("403");
      // The same claim where it counts: straight to the server, from a proxy that it trusts.
      const straight = await Stranger.connect(`http://${served.address}`, undefined, { guest: true }, claims);
      expect(await straight.ask({ type: "session.list" })).toMatchObject({ sessions: [{ place: "203.0.113.x" }] });
      straight.cut();
    },
  );

  test("DO12 FL1 a file of several megabytes arrives whole", { timeout: patience }, async () => {
    const url = await serve(make, idle.heartbeatMs);
    const stranger = await Stranger.connect(url);
    const bytes = Buffer.concat([png(3, 2), Buffer.alloc(3_000_000, 7)]);
    const body = new FormData();
    body.append("file", new Blob([bytes]), "picture.png");
    const authorization = `Bearer ${stranger.session}`;
    const answer = await fetch(`${url}/api/v1/files`, { method: "POST", headers: { authorization }, body });
    expect([answer.status, await answer.json()]).toMatchObject([
      201,
      { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") },
    ]);
    stranger.cut();
  });
});

test("DO12 a socket on which nobody says anything stays, through both", { timeout: patience }, async () => {
  served = await stage.serve({ heartbeatMs: idle.heartbeatMs });
  const made = await Promise.all(proxies.map(([, make]) => make(served.address)));
  try {
    await Promise.all(made.map((one) => one.start()));
    const strangers = await Promise.all(made.map(({ url }) => Stranger.connect(url)));
    await new Promise((resolve) => setTimeout(resolve, idle.seconds * 1000));
    expect(strangers.map(({ closed }) => closed)).toEqual([undefined, undefined]);
    for (const stranger of strangers) {
      expect(await stranger.ask({ type: "ping" })).toMatchObject({ type: "ack" });
      stranger.cut();
    }
  } finally {
    await Promise.all(made.map((one) => one.dispose()));
  }
});

test(
  "DO12 nginx does end a socket of a server that never pings: the idle one above stays because of it",
  { timeout: patience },
  async () => {
    const url = await serve((address) => ProxyProcess.nginx(address, 2), 3_600_000);
    const stranger = await Stranger.connect(url);
    expect(stranger.closed).toBeUndefined();
    await until(() => stranger.closed, "the end", 60_000);
    expect(stranger.closed).toBe(1006);
  },
);
