// Owns the healthy client beside a scene: it talks and pings all the while, and must notice nothing. Does nothing unusual itself.
import type { Ledger } from "./ledger.ts";
import type { Member } from "./member.ts";
import { wholeReply } from "./reply.ts";
import { atShare, sleep } from "./scene.ts";

const chars = 200;
/** The longest that an answer may take (ms), also on a slow, loaded machine. */
const slowest = 20_000;

export type Calm = {
  /** It asks for replies; otherwise it only pings and keeps titles: where no model answers. */
  readonly replies: boolean;
  /** The scene takes the server or its disk away: being turned away for a while is no fault there. */
  readonly patient: boolean;
};

export class Neighbour {
  readonly #member: Member;
  readonly #ledger: Ledger;
  readonly #latencies: number[] = [];
  readonly #conversation = crypto.randomUUID();
  #replies = 0;
  #stopped = false;
  readonly #patient: boolean;
  readonly #working: Promise<unknown>;

  constructor(member: Member, ledger: Ledger, calm: Calm) {
    this.#member = member;
    this.#ledger = ledger;
    this.#patient = calm.patient;
    this.#working = Promise.all([this.#ping(), calm.replies ? this.#talk() : this.#rename()]);
  }

  /** Replies so far. */
  get replies(): number {
    return this.#replies;
  }

  /** Lets what it does come to its end, and writes down how it went. */
  async end(): Promise<void> {
    this.#stopped = true;
    await this.#working;
    const worst = atShare(this.#latencies, 1);
    if (worst > slowest) this.#ledger.bad("stuck", `the neighbour waited ${Math.round(worst)} ms for an ack`);
    if (this.#latencies.length === 0) this.#ledger.bad("stuck", "the neighbour was never answered");
    const { connections, refusals } = this.#member;
    if (!this.#patient && (connections > 1 || refusals > 0))
      this.#ledger.bad("lost", `the neighbour connected ${connections} times and was turned away ${refusals} times`);
    this.#ledger.saw("neighbourReplies", this.#replies);
    this.#ledger.saw("neighbourAcks", this.#latencies.length);
    this.#ledger.most("neighbourP99Ms", atShare(this.#latencies, 0.99));
    this.#ledger.most("neighbourWorstMs", worst);
    this.#member.leave();
  }

  async #timed(command: { type: string } & Record<string, unknown>): Promise<void> {
    const at = performance.now();
    const answer = await this.#member.ask(command);
    this.#latencies.push(performance.now() - at);
    if (answer.type !== "ack") this.#ledger.bad("lost", `the neighbour's ${command.type}: ${JSON.stringify(answer)}`);
  }

  async #ping(): Promise<void> {
    while (!this.#stopped) {
      await this.#timed({ type: "ping" });
      await sleep(25);
    }
  }

  async #rename(): Promise<void> {
    const conversation = this.#conversation;
    await this.#timed({ type: "conversation.create", conversation });
    for (let i = 1; !this.#stopped; i++) {
      await this.#timed({ type: "conversation.update", conversation, title: `title ${i}` });
      await sleep(50);
    }
  }

  async #talk(): Promise<void> {
    const conversation = this.#conversation;
    for (let seed = 1; !this.#stopped; seed++) {
      const asked = { seed, chars, how: "rate=100 piece=4" };
      if ((await wholeReply(this.#member, this.#ledger, conversation, asked)) === undefined) return;
      this.#replies++;
    }
  }
}
