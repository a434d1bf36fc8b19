// Proves the limits on real sockets: who goes too far is told and stopped, and a healthy client beside them sees nothing of it.
import { createConnection } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelFrom } from "../../src/adapters/models/index.ts";
import type { Claims } from "../../src/host.ts";
import { rejection, type HostOptions, type Identity } from "../../src/host.ts";
import { defaultPolicy, type Policy } from "../../src/server/policy.ts";
import { counting, sendTo, Stage, Talker, until, words, type Frame, type Served } from "../server/talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());
const uuid = (): string => crypto.randomUUID();

type Numbers = { [G in keyof Policy]?: Partial<Policy[G]> };
const policyWith = (more: Numbers): Policy => ({
  address: { ...defaultPolicy.address, ...more.address },
  all: { ...defaultPolicy.all, ...more.all },
  guest: { ...defaultPolicy.guest, ...more.guest },
  user: { ...defaultPolicy.user, ...more.user },
  reply: { ...defaultPolicy.reply, ...more.reply },
  abuse: { ...defaultPolicy.abuse, ...more.abuse },
});

/** `ann`, `bob`: people. Anything else is a bad token. */
const identity: Identity = {
  verify: (token) =>
    Promise.resolve(
      token === "ann" || token === "bob"
        ? ({ issuer: "i", subject: token, expiresAt: Date.now() + 3_600_000 } satisfies Claims)
        : rejection("unauthorized"),
    ),
};

/** A server behind a proxy on this machine, so that everybody can come from an address of their own. */
const serve = (numbers: Numbers, more: Partial<HostOptions> = {}): Promise<Served> =>
  stage.serve({ policy: policyWith(numbers), trustedProxies: ["127.0.0.0/8"], identity, ...more });
const via = (address: string): { headers: Record<string, string> } => ({ headers: { "X-Forwarded-For": address } });

/** What an upgrade is answered with: status, and seconds of Retry-After. */
function knock(address: string, from: string): Promise<{ status: number; after: number }> {
  const [host = "", port = ""] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), host, () => {
      const key = "dGhlIHNhbXBsZSBub25jZQ==";
      socket.write(
        `GET /api/v1/async/chatbot HTTP/1.1\r\nHost: ${address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nX-Forwarded-For: ${from}\r\n\r\n`,
      );
    });
    socket.once("data", (data) => {
      const text = data.toString();
      const after = Number(/^Retry-After: (\d+)$/im.exec(text)?.[1] ?? 0);
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), after });
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

const errorOf = (frame: Frame): { code?: string; retryAfterMs?: number } => frame["error"] ?? {};
const codeOf = (frame: Frame): string | undefined => errorOf(frame).code;

/** A healthy client: replies one after the other and pings, until it is asked how it went. */
function healthy(talker: Talker): () => Promise<{ replies: number; problems: string[] }> {
  const state = { over: false, replies: 0, problems: [] as string[] };
  const work = async (): Promise<void> => {
    while (!state.over) {
      const conversation = uuid();
      const sent = await talker.ask(sendTo(conversation, "3 words every 1 ms"));
      const ping = await talker.ask({ type: "ping" });
      if (sent.type !== "ack" || ping.type !== "ack") state.problems.push(JSON.stringify([sent, ping]));
      state.replies++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const working = work().catch((error: unknown) => state.problems.push(String(error)));
  return async () => {
    state.over = true;
    await working;
    if (talker.closed !== undefined) state.problems.push(`closed ${talker.closed.code}`);
    return state;
  };
}

describe("what a person may do", () => {
  test("RL01 FU1 FU2 FU3 G10 a burst is refused with a time, then closed 4429; nothing of it is stored or asked of a model", async () => {
    let calls = 0;
    const inner = counting();
    const model = { ...inner, stream: (...args: Parameters<typeof inner.stream>) => (calls++, inner.stream(...args)) };
    const { talk } = await serve({ guest: { messagesPerMinute: 5 }, abuse: { refusalsPerMinute: 10 } }, { model });
    const bystander = await talk({ token: "ann" }, via("203.0.113.7"));
    const check = healthy(bystander);
    const flood = await talk({ guest: true }, via("203.0.113.7"));
    const token = flood.session;
    const before = calls;
    const ids = Array.from({ length: 40 }, () => uuid());
    for (const id of ids) flood.say({ ...sendTo(id, "hi"), id });
    const { code, reason } = await until(() => flood.closed, "the close");
    expect(code).toBe(4429);
    expect(Number(reason)).toBeGreaterThanOrEqual(1);
    expect(Number(reason)).toBeLessThanOrEqual(60);
    const answers = ids.flatMap((id) => flood.frames.filter((frame) => frame.id === id));
    expect(answers.slice(0, 5).map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => "ack"));
    const refused = answers.slice(5);
    expect(refused).toHaveLength(11);
    for (const frame of refused) {
      expect(errorOf(frame)).toMatchObject({ code: "rate_limited", retryable: true });
      expect(errorOf(frame).retryAfterMs).toBeGreaterThan(0);
      expect(errorOf(frame).retryAfterMs).toBeLessThanOrEqual(66_000);
    }
    const { problems, replies } = await check();
    expect(problems).toEqual([]);
    expect(replies).toBeGreaterThan(0);
    expect(calls - before).toBeLessThanOrEqual(5 + replies);
    const again = await talk({ session: token }, via("203.0.113.7"));
    const list = await again.ask({ type: "conversation.list" });
    expect((list["conversations"] as { id: string }[]).map(({ id }) => id).sort()).toEqual(ids.slice(0, 5).sort());
  });

  test("RL01 FU1 a burst of any commands is refused with a time, after which the next one fits", async () => {
    const { talk } = await serve({ guest: { commandsPerTenSeconds: 20 }, abuse: { refusalsPerMinute: 1000 } });
    const [flood, other] = [await talk(), await talk()];
    const answers = await Promise.all(Array.from({ length: 30 }, () => flood.ask({ type: "ping" })));
    expect(answers.filter(({ type }) => type === "ack")).toHaveLength(20);
    for (const refused of answers.slice(20)) {
      expect(codeOf(refused)).toBe("rate_limited");
      expect(errorOf(refused).retryAfterMs).toBeLessThanOrEqual(11_000);
    }
    expect(await other.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("RL02 FU1 over fifty sockets one person has one number, and another person their own", async () => {
    const { talk } = await serve({ user: { messagesPerMinute: 20, runningTurns: 1000 } });
    const sockets = await Promise.all(
      Array.from({ length: 50 }, (_, i) => talk({ token: "ann" }, via(`203.0.113.${i}`))),
    );
    const answers = await Promise.all(sockets.flatMap((one) => [1, 2].map(() => one.ask(sendTo(uuid(), "hi")))));
    expect(answers.filter(({ type }) => type === "ack")).toHaveLength(20);
    expect(new Set(answers.filter(({ type }) => type !== "ack").map(codeOf))).toEqual(new Set(["rate_limited"]));
    const bob = await talk({ token: "bob" }, via("203.0.113.1"));
    expect(await bob.ask(sendTo(uuid(), "hi"))).toMatchObject({ type: "ack" });
  });

  test("RL06 FU9 send, edit, retry and continue count alike; a stop gives none back; searches have their own number", async () => {
    const { talk } = await serve({ guest: { messagesPerMinute: 5, searchesPerMinute: 2 } });
    const talker = await talk();
    const conversation = uuid();
    const send = sendTo(conversation, "3 words every 0 ms") as { message: string };
    const sent = await talker.ask(send);
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    const parts = [{ type: "text", text: "200 words every 20 ms" }];
    const edit = (): object => ({
      type: "message.edit",
      conversation,
      message: send.message,
      replacement: uuid(),
      parts,
    });
    const [one, two] = [await talker.ask(edit()), await talker.ask(edit())];
    for (const { turn } of [one, two]) await talker.ask({ type: "turn.stop", conversation, turn });
    const ended = (): boolean =>
      talker.events().some(({ kind, turn }) => kind === "turn.finished" && turn === sent["turn"]);
    await until(ended, "the end of the first");
    const again = await talker.ask({ type: "turn.retry", conversation, message: sent["reply"] });
    const continued = await talker.ask({ type: "turn.continue", conversation, message: one["reply"] });
    expect([sent, one, two, again, continued].map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => "ack"));
    const more = [
      sendTo(conversation, "hi", { parent: sent["reply"] }),
      edit(),
      { type: "turn.retry", conversation, message: sent["reply"] },
      { type: "turn.continue", conversation, message: two["reply"] },
      sendTo(uuid(), "a new conversation"),
    ];
    for (const command of more) expect([command, codeOf(await talker.ask(command))]).toEqual([command, "rate_limited"]);
    const search = (): Promise<Frame> => talker.ask({ type: "conversation.list", query: "x" });
    expect([await search(), await search(), await search()].map(codeOf)).toEqual([
      undefined,
      undefined,
      "rate_limited",
    ]);
    expect(await talker.ask({ type: "conversation.list" })).toMatchObject({ type: "ack" });
  });

  test("FU5 a repeat of what was done is answered as before, at the end of the number too, and is not charged", async () => {
    const { talk } = await serve({ guest: { messagesPerMinute: 2, runningTurns: 2 } });
    const talker = await talk();
    const command = { ...sendTo(uuid(), "3 words every 0 ms"), id: uuid() };
    const first = await talker.ask(command);
    for (let i = 0; i < 20; i++) {
      const count = talker.frames.length;
      talker.say(command);
      await until(() => talker.frames.length > count, "the answer");
      expect(talker.frames.findLast(({ id }) => id === command.id)).toEqual(first);
    }
    expect(await talker.ask(sendTo(uuid(), "the second"))).toMatchObject({ type: "ack" });
    expect(codeOf(await talker.ask(sendTo(uuid(), "the third")))).toBe("rate_limited");
    expect(await talker.ask(command)).toEqual(first);
  });

  test("FU5 what is refused for another reason is not charged", async () => {
    const { talk } = await serve({ guest: { messagesPerMinute: 1 } });
    const talker = await talk();
    for (let i = 0; i < 5; i++) {
      const wrong = await talker.ask(sendTo(uuid(), "hi", { parent: uuid() }));
      expect(codeOf(wrong)).toBe("not_found");
    }
    expect(await talker.ask(sendTo(uuid(), "hi"))).toMatchObject({ type: "ack" });
  });

  test("HS09 FU11 one socket too many of a person is closed 4429 with a time; the others go on, and a free place is taken", async () => {
    const { talk, address } = await serve({ user: { sockets: 3 } });
    const open = [await talk({ token: "ann" }), await talk({ token: "ann" }), await talk({ token: "ann" })];
    const late = await new Talker(address).opened();
    const answer = await late.ask({ type: "auth", token: "ann" });
    expect(codeOf(answer)).toBe("rate_limited");
    expect(await until(() => late.closed, "the close")).toEqual({ code: 4429, reason: "60" });
    for (const one of open) expect(await one.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    expect((await talk({ token: "bob" })).closed).toBe(undefined);
    await open[0]?.close();
    const next = await new Talker(address).opened();
    await until(async () => (await next.ask({ type: "auth", token: "ann" })).type === "ack", "the free place");
    next.ws.terminate();
  });
});

describe("tokens", () => {
  /** A model that counts: each reply costs 1,000 tokens, and says so. */
  const costly = modelFrom({
    name: "costly",
    async *stream(_request, signal) {
      for (let i = 0; i < 5 && !signal.aborted; i++) {
        yield "word ";
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      yield { type: "usage", usage: { inputTokens: 0, outputTokens: 1000 } };
    },
  });

  test("RL05 FU6 twenty sends at once at 95 % of the day: none is overspent, and the others are told when", async () => {
    const numbers = {
      guest: { tokensPerDay: 100_000, runningTurns: 1000, messagesPerMinute: 1000 },
      reply: { reservedTokens: 1000 },
    };
    const { talk } = await serve(numbers, { model: costly });
    const talker = await talk();
    const counts = { acked: 0 };
    const finished = (): number => talker.events().filter(({ kind }) => kind === "turn.finished").length;
    const send = async (): Promise<Frame> => {
      const conversation = uuid();
      await talker.ask({ type: "conversation.create", conversation });
      await talker.ask({ type: "conversation.open", conversation, seq: 1 });
      const sent = await talker.ask(sendTo(conversation, "a"));
      if (sent.type === "ack") counts.acked++;
      return sent;
    };
    while (counts.acked < 95) {
      await Promise.all(Array.from({ length: 19 }, send));
      await until(() => finished() === counts.acked, "the ends");
    }
    const answers = await Promise.all(Array.from({ length: 20 }, send));
    const refused = answers.filter(({ type }) => type !== "ack");
    expect(refused.length).toBeGreaterThanOrEqual(15);
    for (const frame of refused) {
      expect(errorOf(frame)).toMatchObject({ code: "quota_exceeded", retryable: true });
      expect(errorOf(frame).retryAfterMs).toBeGreaterThan(0);
    }
    await until(() => finished() === counts.acked, "the ends");
    const ended = talker.events().filter(({ kind }) => kind === "turn.finished");
    const spent = ended.filter(({ status }) => status === "completed").length * 1000;
    expect(spent).toBeLessThanOrEqual(100_000);
    expect(spent).toBeGreaterThanOrEqual(95_000);
  });

  test("RL07 FU6 a reply that outgrows the day ends with what it has, and says until when", async () => {
    const { talk } = await serve({ guest: { tokensPerDay: 400 }, reply: { reservedTokens: 100 } });
    const talker = await talk();
    const conversation = uuid();
    await talker.ask(sendTo(conversation, "1000 words every 0 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    const end = await until(() => talker.events().find(({ kind }) => kind === "turn.finished"), "the end");
    expect(end).toMatchObject({ status: "failed", error: { code: "quota_exceeded", retryable: true } });
    const text = talker.text();
    expect(text.length).toBeGreaterThan(300);
    expect(text.length).toBeLessThanOrEqual(1200);
    expect(words(1000).startsWith(text)).toBe(true);
    expect(codeOf(await talker.ask(sendTo(uuid(), "one more")))).toBe("quota_exceeded");
  });

  test("RL07 FU2 what is too large is refused before a model is called", async () => {
    let calls = 0;
    const inner = counting();
    const model = { ...inner, stream: (...args: Parameters<typeof inner.stream>) => (calls++, inner.stream(...args)) };
    const { talk } = await serve({}, { model });
    const talker = await talk();
    expect(codeOf(await talker.ask(sendTo(uuid(), "x".repeat(131_073))))).toBe("too_large");
    talker.say(sendTo(uuid(), "x".repeat(1_000_000)));
    expect((await until(() => talker.closed, "the close")).code).toBe(1009);
    expect(calls).toBe(0);
  });
});

describe("what an address may do", () => {
  test("HS08 FU4 G10 sockets that do not sign in are turned away beyond their number, before they are made; nobody else is", async () => {
    const { talk, address } = await serve({});
    const bystander = await talk({ guest: true }, via("203.0.113.8"));
    const check = healthy(bystander);
    const waiting: Talker[] = [];
    for (let i = 0; i < 20; i++) waiting.push(await new Talker(address, via("203.0.113.7")).opened());
    const refused = await Promise.all(Array.from({ length: 450 }, () => knock(address, "203.0.113.7")));
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([429, 403]));
    expect(refused.filter(({ status }) => status === 429).every(({ after }) => after >= 1)).toBe(true);
    const { problems, replies } = await check();
    expect([problems, replies > 0]).toEqual([[], true]);
    // In the end the whole address is shut out.
    for (const one of waiting) expect((await until(() => one.closed, "the close")).code).toBe(4403);
  });

  test("FU4 a place is free again when a socket has signed in or is gone", async () => {
    const { address } = await serve({ address: { waitingSockets: 2 } });
    const from = via("203.0.113.7");
    const [one, two] = [await new Talker(address, from).opened(), await new Talker(address, from).opened()];
    expect((await knock(address, "203.0.113.7")).status).toBe(429);
    await one.ask({ type: "auth", guest: true });
    const three = await new Talker(address, from).opened();
    expect((await knock(address, "203.0.113.7")).status).toBe(429);
    await two.close();
    await until(async () => (await knock(address, "203.0.113.7")).status === 101, "a free place");
    for (const talker of [one, three]) talker.ws.terminate();
  });

  test("FU4 RL01 connections of a minute have a number; the /64 of an IPv6 address is one, an IPv4 neighbour is not", async () => {
    const { address } = await serve({ address: { connectionsPerMinute: 5 } });
    const from = (i: number): string => `2001:db8:0:1:${i}::1`;
    for (let i = 0; i < 5; i++) expect((await knock(address, from(i))).status).toBe(101);
    const refused = await knock(address, from(9));
    expect(refused.status).toBe(429);
    expect(refused.after).toBeGreaterThanOrEqual(1);
    expect(refused.after).toBeLessThanOrEqual(66);
    expect((await knock(address, "2001:db8:0:2::1")).status).toBe(101);
    for (let i = 0; i < 5; i++) expect((await knock(address, "203.0.113.7")).status).toBe(101);
    expect((await knock(address, "::ffff:203.0.113.7")).status).toBe(429);
    expect((await knock(address, "203.0.113.8")).status).toBe(101);
  });

  test("HS14 HS21 FU4 ten bad tokens in a minute: that address is refused; open sockets of it and other addresses are not", async () => {
    const { talk, address } = await serve({});
    const open = await talk({ token: "ann" }, via("203.0.113.7"));
    for (let i = 0; i < 10; i++) {
      const bad = await new Talker(address, via("203.0.113.7")).opened();
      expect(codeOf(await bad.ask({ type: "auth", token: `bad${i}` }))).toBe("unauthorized");
      expect((await until(() => bad.closed, "the close")).code).toBe(4401);
    }
    expect(await knock(address, "203.0.113.7")).toMatchObject({ status: 429 });
    expect(await open.ask(sendTo(uuid(), "hi"))).toMatchObject({ type: "ack" });
    const other = await talk({ token: "bob" }, via("203.0.113.8"));
    expect(other.closed).toBe(undefined);
    // Whoever writes a chain of their own still is who the proxy says.
    expect(await knock(address, "203.0.113.99, 203.0.113.7")).toMatchObject({ status: 429 });
  });

  test("HS21 FU4 one bad token from many addresses is not looked at for ever", async () => {
    let looks = 0;
    const counted: Identity = { verify: (token) => (looks++, identity.verify(token)) };
    const { address } = await serve({}, { identity: counted });
    const codes: number[] = [];
    for (let i = 0; i < 15; i++) {
      const bad = await new Talker(address, via(`203.0.113.${i}`)).opened();
      await bad.ask({ type: "auth", token: "stolen and ended" });
      codes.push((await until(() => bad.closed, "the close")).code);
    }
    expect(codes).toEqual([...Array.from({ length: 10 }, () => 4401), ...Array.from({ length: 5 }, () => 4429)]);
    expect(looks).toBe(10);
  });

  test("FU8 guests that begin have a number of their address; whoever comes back is none", async () => {
    const { talk, address } = await serve({ address: { newGuestsPerHour: 3 } });
    const from = via("203.0.113.7");
    const guests = [
      await talk({ guest: true }, from),
      await talk({ guest: true }, from),
      await talk({ guest: true }, from),
    ];
    const late = await new Talker(address, from).opened();
    expect(codeOf(await late.ask({ type: "auth", guest: true }))).toBe("rate_limited");
    expect((await until(() => late.closed, "the close")).code).toBe(4429);
    const back = await talk({ guest: true, session: guests[0]?.session }, from);
    expect(await back.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    expect(await (await talk({ token: "ann" }, from)).ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("BL5 BL6 AZ17 HS18 G10 a guest who misbehaves shuts out the guests of the address, and nobody who is signed in there", async () => {
    const { talk, address } = await serve({ abuse: { malformedFrame: 25 } });
    const from = via("203.0.113.7");
    const ann = await talk({ token: "ann" }, from);
    const neighbour = await talk({ guest: true }, from);
    const elsewhere = await talk({ guest: true }, via("203.0.113.8"));
    const [checkAnn, checkElsewhere] = [healthy(ann), healthy(elsewhere)];
    const bad = await talk({ guest: true }, from);
    for (let i = 0; i < 5; i++) bad.ws.send("rubbish");
    const began = performance.now();
    expect((await until(() => bad.closed, "the block")).code).toBe(4403);
    expect((await until(() => neighbour.closed, "the block of the guest beside")).code).toBe(4403);
    expect(performance.now() - began).toBeLessThan(1000);
    const late = await new Talker(address, from).opened();
    expect(codeOf(await late.ask({ type: "auth", guest: true }))).toBe("blocked");
    expect((await until(() => late.closed, "the close")).code).toBe(4403);
    const again = await new Talker(address, from).opened();
    await again.ask({ type: "auth", session: neighbour.session });
    expect((await until(() => again.closed, "the close")).code).toBe(4403);
    const bob = await talk({ token: "bob" }, from);
    expect(await bob.ask(sendTo(uuid(), "hi"))).toMatchObject({ type: "ack" });
    for (const check of [checkAnn, checkElsewhere]) expect((await check()).problems).toEqual([]);
  });

  test("WI08 HS03 FU8 FU12 BL7 scripts that speak as the chat window does: what they cost is bounded over all addresses, and one act ends them all", async () => {
    let calls = 0;
    const model = modelFrom({
      name: "counted",
      async *stream() {
        calls++;
        yield "a word";
        yield { type: "usage", usage: { inputTokens: 10, outputTokens: 90 } };
      },
    });
    const numbers: Numbers = {
      all: { guestTokensPerDay: 3000 },
      address: { guestTokensPerDay: 1000 },
      reply: { reservedTokens: 100 },
    };
    const { talk, address } = await serve(numbers, { model, allowedOrigins: ["https://shop.example"] });
    const ann = await talk({ token: "ann" }, via("192.0.2.99"));
    // With the page's own origin, as a browser would say it, and with none; each message as a new guest.
    const script = (place: string, origin: boolean): Promise<Talker> => {
      const headers = { "X-Forwarded-For": place, ...(origin ? { Origin: "https://shop.example" } : {}) };
      return talk({ guest: true }, { headers });
    };
    const sentFrom = async (place: string, times: number): Promise<(string | undefined)[]> => {
      const codes = [];
      for (let n = 0; n < times; n++) {
        const guest = await script(place, n % 2 === 0);
        codes.push(codeOf(await guest.ask(sendTo(uuid(), "words"))));
      }
      return codes;
    };
    const before = calls;
    for (const place of ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]) {
      const codes = new Set(await sentFrom(place, 12));
      expect([...codes].filter((code) => code !== undefined)).toEqual(["quota_exceeded"]);
    }
    // 100 tokens a call: no more than the day of all holds.
    expect(calls - before).toBeLessThanOrEqual(30);
    expect(calls - before).toBeGreaterThan(10);
    expect(await ann.ask(sendTo(uuid(), "words"))).toMatchObject({ type: "ack" });

    const open = [await script("192.0.2.1", true), await script("2001:db8::1", true), await script("192.0.2.7", false)];
    for (const range of ["0.0.0.0/0", "::/0"]) {
      const body = JSON.stringify({ address: range, reach: "guests" });
      const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
      const made = await fetch(`http://${address}/api/v1/admin/blocks`, init);
      expect([made.status, await made.json()]).toMatchObject([201, { range, reach: "guests", by: "operator" }]);
    }
    for (const one of open) expect((await until(() => one.closed, "the end of a script")).code).toBe(4403);
    const late = await new Talker(address, via("198.51.100.1")).opened();
    expect(codeOf(await late.ask({ type: "auth", guest: true }))).toBe("blocked");
    expect(await ann.ask(sendTo(uuid(), "words"))).toMatchObject({ type: "ack" });
    const bob = await talk({ token: "bob" }, via("2001:db8::1"));
    expect(await bob.ask(sendTo(uuid(), "words"))).toMatchObject({ type: "ack" });
  });

  test("BL6 what somebody does who is signed in is never held against their address", async () => {
    const { talk, address } = await serve({
      abuse: { malformedFrame: 1000, rateLimitClose: 1000, refusalsPerMinute: 1 },
      user: { commandsPerTenSeconds: 1 },
    });
    const from = via("203.0.113.7");
    for (let i = 0; i < 3; i++) {
      const ann = await talk({ token: "ann" }, from);
      ann.ws.send("rubbish");
      for (let n = 0; n < 5; n++) ann.say({ type: "ping", id: `p${n}` });
      expect((await until(() => ann.closed, "the close")).code).toBe(4429);
    }
    expect((await knock(address, "203.0.113.7")).status).toBe(101);
    expect((await talk({ guest: true }, from)).closed).toBe(undefined);
  });

  test("BL5 who goes on from outside is shut out for everybody: 403 before a socket is made, open ones closed 4403", async () => {
    const { address } = await serve({ address: { waitingSockets: 0 }, abuse: { refusedConnection: 101 } });
    expect((await knock(address, "203.0.113.7")).status).toBe(429);
    for (let i = 0; i < 3; i++) await knock(address, "203.0.113.7");
    expect((await knock(address, "203.0.113.7")).status).toBe(403);
    expect((await knock(address, "203.0.113.8")).status).toBe(429);
    // This machine itself is never shut out by a score.
    for (let i = 0; i < 10; i++) expect((await knock(address, "127.0.0.1")).status).toBe(429);
  });
});
