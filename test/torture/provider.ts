// The scene of provider faults: whatever a model's server does, a reply is whole or ends as specified, and nobody else waits for it.
import { expectedText } from "../support/model-server.ts";
import { Member, type Answer } from "./member.ts";
import { counted, harmless, silences, type Kind } from "./provider-kinds.ts";
import { wholeReply } from "./reply.ts";
import { atShare, between, each, sleep, upTo, type Run, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

/** Words of the test model's errors: a person sees sentences of our own (MO6). */
const providersWords = /It failed|It broke/;
const hanging = 20;

export const provider: Scene = {
  name: "provider",
  unit: "rounds of all kinds",
  small: 1,
  large: 20,
  async play(run) {
    for (let round = 0; round < run.size; round++) {
      // Every other round has a model that can be given the beginning of its reply.
      await Promise.all([
        playLoud(run, round, (run.seed + round) % 2 === 0),
        playHanging(run, round).then(() => playSilent(run, round)),
      ]);
      run.ledger.cycles++;
      run.say(`round ${round + 1} of ${run.size}`);
    }
  },
};

const seedOf = (run: Run, round: number): number => run.seed * 1_000_000 + round * 1000;

async function playLoud(run: Run, round: number, prefill: boolean): Promise<void> {
  await Stage.play(run, { prefill }, async (stage) => {
    let seed = seedOf(run, round);
    const shuffled = [...harmless].sort(() => run.random() - 0.5);
    const one = (kind: Kind): Promise<void> => play(run, stage, kind, ++seed, prefill);
    const good = await Member.join(stage.member({ fair: [] }));
    const inTurn = async (): Promise<void> => {
      for (const group of counted) {
        await Promise.all(group.map(one));
        await wholeReply(good, run.ledger, crypto.randomUUID(), { seed: ++seed, chars: 40 });
      }
      await stopBetweenCalls(run, stage, ++seed);
      await wholeReply(good, run.ledger, crypto.randomUUID(), { seed: ++seed, chars: 40 });
      good.leave();
    };
    await Promise.all([inTurn(), each(shuffled, one, 4)]);
  });
}

/** What a model's silence costs its own reply: its time. Nothing else has failed on this stage: five failures would have opened the circuit. */
async function playSilent(run: Run, round: number): Promise<void> {
  const settings = { MODEL_FIRST_TOKEN_MS: "1500", MODEL_BETWEEN_TOKENS_MS: "1500" };
  await Stage.play(run, { prefill: false, replies: false, settings }, async (stage) => {
    const seed = seedOf(run, round) + 800;
    await Promise.all(silences.map((kind, i) => play(run, stage, kind, seed + i, false)));
  });
}

/** What a model's silence costs everybody else: nothing (PR12). */
async function playHanging(run: Run, round: number): Promise<void> {
  await Stage.play(run, { prefill: false, replies: false }, async (stage) => {
    let seed = seedOf(run, round) + 500;
    const people = await each(upTo(hanging), () => Member.join(stage.member({ fair: [] })));
    // All hang at once; each is stopped before its first piece and long before its time is over, and one has to do without the model.
    await each(
      people,
      async (member) => {
        const conversation = crypto.randomUUID();
        const sent = await member.send(conversation, `seed=${++seed} stall=-1`);
        const view = await member.follow(conversation);
        const times: number[] = [];
        for (let i = 0; i < 10; i++) {
          const at = performance.now();
          await member.ask({ type: "conversation.history", conversation });
          times.push(performance.now() - at);
          await sleep(between(run.random, 1, 30));
        }
        run.ledger.most("acksBesideHangingP95Ms", atShare(times, 0.95));
        const turn = String(sent["turn"]);
        const stopped = await member.ask({ type: "turn.stop", conversation, turn });
        await member.until(() => view.finished.has(turn), "the end of what hung");
        if (stopped["status"] !== view.finished.get(turn)?.["status"])
          run.ledger.bad("mismatched", `a stop was acked as ${JSON.stringify(stopped)}`);
        run.ledger.saw(`hanging:${String(stopped["status"])}`);
        run.ledger.operations++;
        member.leave();
      },
      hanging,
    );
  });
}

/** One reply under one kind of fault. */
async function play(run: Run, stage: Stage, kind: Kind, seed: number, prefill: boolean): Promise<void> {
  const { ledger } = run;
  const { ends, calls } = (prefill ? kind.withPrefill : undefined) ?? kind;
  const chars = kind.chars ?? 80;
  const bad = (what: string): void => ledger.bad("torn", `"${kind.name}": ${what}`);
  const member = await Member.join(stage.member({ fair: [] }));
  const conversation = crypto.randomUUID();
  const sent = await member.send(conversation, `seed=${seed} chars=${chars} ${kind.how}`);
  const end = await ended(member, conversation, sent);
  ledger.operations++;
  if (end === undefined) return;
  const { view, event } = end;
  const [text, whole] = [view.text(sent["reply"]), expectedText(seed, chars)];
  const error = (event["error"] as { code?: string } | undefined)?.code;
  const complete = ends === "whole" || ends === "empty";
  if (event["status"] !== (complete ? "completed" : "failed") || error !== (complete ? undefined : ends))
    bad(`ended ${String(event["status"])} ${String(error)}, specified is ${ends}`);
  if (ends === "whole" && text !== whole) bad(`${text.length} of ${chars} characters, not the model's`);
  if (ends === "empty" && text !== "") bad("is not empty");
  if (!complete && !whole.startsWith(text) && !/^(flood )+/.test(text)) bad("what is left is not the model's");
  if (providersWords.test(JSON.stringify(event))) bad("the provider's words are told");
  const asked = stage.model.requests.filter(({ behaviour }) => behaviour.seed === seed).length;
  if (asked !== calls) bad(`the model was asked ${asked} times, specified is ${calls}`);
  ledger.saw(complete ? "whole" : "failedAsSpecified");
  ledger.saw("kinds");
  member.leave();
}

async function ended(member: Member, conversation: string, sent: Answer) {
  const view = await member.follow(conversation);
  const turn = String(sent["turn"]);
  await member.until(() => view.finished.has(turn), "the end of the reply");
  const event = view.finished.get(turn);
  return event === undefined ? undefined : { view, event };
}

/** A stop while the next call is waited for: one end, and no more calls (B23, PR09). */
async function stopBetweenCalls(run: Run, stage: Stage, seed: number): Promise<void> {
  const member = await Member.join(stage.member({ fair: [] }));
  const conversation = crypto.randomUUID();
  const sent = await member.send(conversation, `seed=${seed} fail=503`);
  const calls = (): number => stage.model.requests.filter(({ behaviour }) => behaviour.seed === seed).length;
  for (let i = 0; calls() === 0 && i < 10_000; i++) await sleep(1);
  const stopped = await member.ask({ type: "turn.stop", conversation, turn: String(sent["turn"]) });
  const end = await ended(member, conversation, sent);
  const before = calls();
  if (end?.event["status"] !== stopped["status"])
    run.ledger.bad("mismatched", `a stop was acked as ${JSON.stringify(stopped)}`);
  // As long as any wait between two calls may be.
  await sleep(stopped["status"] === "stopped" ? 600 : 0);
  if (calls() !== before) run.ledger.bad("torn", "a model was asked for a reply that had been stopped");
  run.ledger.saw(`betweenCalls:${String(stopped["status"])}`);
  run.ledger.operations++;
  member.leave();
}
