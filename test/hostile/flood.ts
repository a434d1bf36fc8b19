// Owns peers that flood a server with hostile frames over many sockets, and the judgement of every answer. Starts no server.
import { isUtf8 } from "node:buffer";
import { closeCodes, errorCodes } from "../../src/protocol/index.ts";
import type { Aim } from "./commands.ts";
import { chanceOf, nextHostile, type Chance, type Hostile } from "./mutations.ts";
import { frame, Raw } from "./raw.ts";

const lanes = 24;
const frameBytes = 256 * 1024;
const authBytes = 16 * 1024;

const knownCloses = new Set(Object.keys(closeCodes).map(Number));
const knownErrors = new Set(Object.keys(errorCodes));
const knownTypes = new Set(["ack", "error", "events", "snapshot", "live", "conversation", "notice"]);

/** What all lanes have seen, together. */
export class Tally {
  sent = 0;
  answered = 0;
  connections = 0;
  readonly closes = new Map<number, number>();
  readonly errors = new Map<string, number>();
  readonly problems: string[] = [];
  readonly #counted = new WeakMap<Raw, number>();

  report(problem: string): void {
    if (this.problems.length < 20) this.problems.push(problem.slice(0, 600));
  }

  /** Judges what a socket was sent since the last look. */
  judge(raw: Raw): void {
    const from = this.#counted.get(raw) ?? 0;
    for (const answer of raw.answers.slice(from)) {
      if (!knownTypes.has(answer.type)) this.report(`a frame of no known type: ${JSON.stringify(answer)}`);
      if (answer.type !== "error") continue;
      const code = answer.error?.code ?? "none";
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
      if (code === "internal" || !knownErrors.has(code)) this.report(`error ${code}: ${JSON.stringify(answer)}`);
    }
    this.#counted.set(raw, raw.answers.length);
    for (const problem of raw.problems.splice(0)) this.report(problem);
  }

  /** An end that the peer did not make itself. */
  end(raw: Raw, allowed: readonly number[], what: string): void {
    const code = raw.closeCode ?? 1006;
    this.closes.set(code, (this.closes.get(code) ?? 0) + 1);
    if (!allowed.includes(code)) this.report(`closed ${code} (${raw.closeReason}) after ${what}`);
  }
}

const describeText = (payloads: readonly Buffer[]): string =>
  payloads
    .map((one) => one.toString().slice(0, 120))
    .join(" | ")
    .slice(-500);

/** One peer: connects, signs in (or not), sends a handful, sees what comes of it, and again. */
class Lane {
  readonly #url: string;
  readonly #chance: Chance;
  readonly #tally: Tally;
  #token: string | undefined;
  #aim: Aim = {
    conversation: crypto.randomUUID(),
    message: crypto.randomUUID(),
    reply: crypto.randomUUID(),
    turn: crypto.randomUUID(),
  };

  constructor(url: string, chance: Chance, tally: Tally) {
    this.#url = url;
    this.#chance = chance;
    this.#tally = tally;
  }

  async work(until: () => boolean): Promise<void> {
    let raw: Raw | undefined;
    while (!until()) {
      if (raw === undefined || raw.endedAt !== undefined) raw = await this.#connect();
      if (this.#chance() < 0.25) {
        await this.#sendBytes(raw);
        raw = undefined;
      } else if (this.#chance() < 0.02) {
        raw.cut();
        raw = undefined;
        await this.#beforeAuth();
      } else await this.#sendTexts(raw);
    }
    raw?.cut();
  }

  /** Signed in on the session of before; where that has ended, as somebody new with something to aim at. */
  async #connect(): Promise<Raw> {
    this.#tally.connections++;
    const raw = await Raw.connect(this.#url, { auth: false });
    const who = this.#token === undefined ? {} : { session: this.#token };
    const answer = await raw.ask({ type: "auth", id: "auth", guest: true, ...who });
    const session = answer["session"] as { token: string; resumed: boolean } | undefined;
    if (session === undefined) this.#tally.report(`no session: ${JSON.stringify(answer)}`);
    if (session?.resumed === true) return raw;
    this.#token = session?.token;
    const [conversation, message] = [crypto.randomUUID(), crypto.randomUUID()];
    const parts = [{ type: "text", text: "{{chars=20}}" }];
    const sent = await raw.ask({ type: "message.send", id: crypto.randomUUID(), conversation, message, parts });
    this.#aim = { conversation, message, reply: String(sent["reply"]), turn: String(sent["turn"]) };
    return raw;
  }

  /** Whole messages: each has exactly one answer, or the socket ends for a reason that was given to it. */
  async #sendTexts(raw: Raw): Promise<void> {
    const tally = this.#tally;
    const payloads: Buffer[] = [];
    for (let i = 1 + Math.floor(this.#chance() * 24); i > 0; i--) {
      const hostile = nextHostile(this.#chance, this.#aim, false);
      if (hostile.kind === "text") payloads.push(hostile.payload);
    }
    const from = raw.answers.length;
    const last = crypto.randomUUID();
    const behind = Buffer.from(JSON.stringify({ type: "ping", id: last }));
    raw.write(Buffer.concat([...payloads, behind].map((payload) => frame({ payload }))));
    tally.sent += payloads.length;
    const answers = (): number =>
      raw.answers.slice(from).filter(({ type }) => type === "ack" || type === "error").length;
    const done = (): boolean => raw.answers.some(({ id }, i) => i >= from && id === last);
    await raw.until(() => done() || raw.endedAt !== undefined, `the end of ${describeText(payloads)}`, 30_000);
    tally.judge(raw);
    tally.answered += answers();
    if (raw.endedAt === undefined) {
      if (answers() !== payloads.length + 1)
        tally.report(`${answers()} answers to ${payloads.length + 1}: ${describeText(payloads)}`);
      return;
    }
    const allowed = [4400];
    if (payloads.some((payload) => !isUtf8(payload))) allowed.push(1007);
    if (payloads.some((payload) => payload.length > frameBytes)) allowed.push(1009);
    if (payloads.some((payload) => payload.includes("auth.logout"))) allowed.push(4410);
    tally.end(raw, allowed, describeText(payloads));
  }

  /** Bytes of any kind: the socket ends with a code of the table, or waits for the rest; then it is cut. */
  async #sendBytes(raw: Raw): Promise<void> {
    const tally = this.#tally;
    const sent: Hostile[] = [];
    for (let i = 1 + Math.floor(this.#chance() * 3); i > 0; i--) sent.push(nextHostile(this.#chance, this.#aim, true));
    for (const one of sent) if (one.kind === "bytes") raw.write(one.bytes);
    tally.sent += sent.length;
    const waited = await raw.until(() => raw.endedAt !== undefined, "the end", 100).catch(() => "cut");
    tally.judge(raw);
    const own = sent.flatMap((one) => (one.kind === "bytes" && one.closes !== undefined ? [one.closes] : []));
    if (waited === "cut") raw.cut();
    else {
      const closes = [...knownCloses].filter((code) => ![1011, 1012, 1013, 1006].includes(code));
      // A close of ours is answered with its code; noise may hold one too, of which only its being valid is known.
      const echo = raw.closeCode !== undefined && (own.includes(raw.closeCode) || raw.closeCode === 1005);
      const what = sent
        .map((one) => `${one.name} ${one.kind === "bytes" ? one.bytes.toString("hex").slice(0, 80) : ""}`)
        .join(", ");
      tally.end(raw, echo ? [raw.closeCode ?? 0] : closes, what);
    }
  }

  /** The same before anybody has signed in: nothing but an end, and nothing is done. */
  async #beforeAuth(): Promise<void> {
    const tally = this.#tally;
    tally.connections++;
    const raw = await Raw.connect(this.#url, { auth: false });
    const hostile = nextHostile(this.#chance, this.#aim, false);
    if (hostile.kind !== "text") return;
    const { payload } = hostile;
    raw.write(frame({ payload }));
    tally.sent++;
    await raw.until(
      () => raw.endedAt !== undefined || raw.answers.some(({ type }) => type === "ack"),
      "the end before auth",
    );
    tally.judge(raw);
    if (raw.endedAt === undefined) return raw.cut();
    const allowed = payload.length > authBytes ? [1009, 1007] : isUtf8(payload) ? [4401, 4410] : [1007];
    tally.end(raw, allowed, `before auth: ${describeText([payload])}`);
  }
}

/** Peers on a server; `run` resolves when the tally has counted so many frames, or enough problems. */
export function createFlood(url: string, seed: number): { tally: Tally; run: (frames: number) => Promise<unknown> } {
  const tally = new Tally();
  const workers = Array.from({ length: lanes }, (_, i) => new Lane(url, chanceOf(seed * 1000 + i), tally));
  const over = (frames: number): boolean => tally.sent >= frames || tally.problems.length >= 20;
  return { tally, run: (frames) => Promise.all(workers.map((lane) => lane.work(() => over(frames)))) };
}
