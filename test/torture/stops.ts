// The scene of stop races: stops at random moments against pieces, ends and each other, from two devices of one person.
import { expectedText } from "../support/model-server.ts";
import type { WireView } from "../support/wire-view.ts";
import { Member, type Answer } from "./member.ts";
import { atShare, between, each, sleep, upTo, type Run, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

/** Pieces a second, and characters of one. */
const [rate, piece] = [200, 5];
/** How long the model's request may outlive the stop's ack (ms): 500 is promised (G5). Most must keep it; each alone may meet a slow machine. */
const promised = 500;
const slowest = 10_000;
/** The share of replies whose model falls silent after some pieces: only by itself does a stop end such a request. */
const silentShare = 0.1;
/** Fewer say nothing. */
const fewest = 10;
const stopsOfConversation = 40;

type Turn = { readonly id: string; readonly reply: string; readonly seed: number; readonly chars: number };
type Pair = { readonly one: Member; readonly other: Member; readonly conversation: string };

export const stops: Scene = {
  name: "stops",
  unit: "stops",
  small: 120,
  large: 10_000,
  async play(run) {
    const { size, ledger, say } = run;
    await Stage.play(run, { prefill: run.seed % 2 === 0 }, async (stage) => {
      let asked = 0;
      const outlived: number[] = [];
      const lane = async (index: number): Promise<void> => {
        let seed = run.seed * 10_000_000 + index * 100_000;
        const one = await Member.join(stage.member({ fair: [] }));
        const { name, session } = one;
        const other = await Member.join(stage.member({ name, session, fair: [] }));
        while (asked < size) {
          const conversation = crypto.randomUUID();
          await one.ask({ type: "conversation.create", conversation });
          const pair = { one, other, conversation };
          await Promise.all([one.follow(conversation), other.follow(conversation)]);
          const ends = new Map<string, number>();
          for (let own = 0; own < stopsOfConversation && asked < size;) {
            const roll = run.random();
            const turns =
              roll < 0.15
                ? await sendAtOnce(run, pair, ++seed)
                : await begin(run, pair, roll < 0.35 ? 3 : 1, (seed += 5));
            own += turns.length;
            asked += turns.length;
            if (Math.floor(asked / 1000) > Math.floor((asked - turns.length) / 1000)) say(`${asked} stops`);
            await Promise.all(turns.map((turn) => stopAndCheck(run, stage, pair, turn, { ends, outlived })));
          }
          await compare(run, stage, pair, ends);
        }
        one.leave();
        other.leave();
      };
      await each(upTo(Math.min(40, Math.max(4, Math.round(size / 20)))), lane);
      const typical = atShare(outlived, 0.5);
      if (outlived.length >= fewest && typical > promised)
        ledger.bad("stuck", `the model speaks ${Math.round(typical)} ms after most stops`);
      ledger.most("modelOutlivedStopP50Ms", typical);
      const running = stage.model.requests.filter(({ outcome }) => outcome === undefined);
      // The neighbour's own may be one of them.
      const left = running.filter(({ messages }) => !JSON.stringify(messages).includes("<neighbour>"));
      for (const { text } of left) ledger.bad("stuck", `the model still says ${text.slice(0, 40)}`);
    });
  },
};

const turnOf = (answer: Answer, seed: number, chars: number): Turn => ({
  id: String(answer["turn"]),
  reply: String(answer["reply"]),
  seed,
  chars,
});

/** Some replies at once, each on a branch of its own. */
async function begin(run: Run, { one, conversation }: Pair, count: number, from: number): Promise<Turn[]> {
  const turns = await each(upTo(count), async (i) => {
    const chars = between(run.random, 60, 500);
    const isSilent = run.random() < silentShare;
    if (isSilent) run.ledger.saw("silentModels");
    const how = `rate=${rate} piece=${piece}${isSilent ? " stall=5" : ""}`;
    const answer = await one.send(conversation, `seed=${from + i} chars=${chars} ${how}`, { parent: null });
    if (answer.type === "ack") return turnOf(answer, from + i, chars);
    run.ledger.bad("lost", `a message was refused: ${JSON.stringify(answer)}`);
    return undefined;
  });
  return turns.filter((turn) => turn !== undefined);
}

/** Both devices send at once under the newest message: one of them may be told that a reply is being made there, and nothing else (CL14). */
async function sendAtOnce(run: Run, { one, other, conversation }: Pair, seed: number): Promise<Turn[]> {
  const chars = 200;
  const directive = `seed=${seed} chars=${chars} rate=60 piece=${piece}`;
  const answers = await Promise.all([one.send(conversation, directive), other.send(conversation, directive)]);
  const acks = answers.filter(({ type }) => type === "ack");
  const conflicts = answers.filter(({ error }) => error?.code === "conflict");
  run.ledger.saw("sentAtOnce");
  run.ledger.saw("conflicts", conflicts.length);
  if (acks.length === 0 || acks.length + conflicts.length !== 2)
    run.ledger.bad("lost", `two sends at once: ${JSON.stringify(answers)}`);
  const message = acks[0]?.["reply"];
  const react = { type: "message.react", conversation, message, reaction: "👍", on: true };
  const reacted = await Promise.all([one.ask(react), other.ask(react)]);
  for (const answer of reacted)
    if (answer.type !== "ack") run.ledger.bad("lost", `reaction: ${JSON.stringify(answer)}`);
  return acks.map((answer) => turnOf(answer, seed, chars));
}

/** Where replies ended, and how long requests outlived their stops (ms). */
type Noted = { readonly ends: Map<string, number>; readonly outlived: number[] };

async function stopAndCheck(run: Run, stage: Stage, pair: Pair, turn: Turn, { ends, outlived }: Noted): Promise<void> {
  const { random, ledger } = run;
  const { one, other, conversation } = pair;
  const views = [one, other].map((member) => member.views.get(conversation)).filter((view) => view !== undefined);
  const roll = random();
  if (roll < 0.3) await one.until(() => (views[0]?.text(turn.reply).length ?? 0) > 0, "a first piece");
  else if (roll < 0.9) await sleep(random() * 1.3 * (turn.chars / piece) * (1000 / rate));
  const stop = (by: Member): Promise<Answer> => by.ask({ type: "turn.stop", conversation, turn: turn.id });
  const by = random() < 0.5 ? [one] : random() < 0.5 ? [other] : [one, other];
  const [answer, ...more] = await Promise.all(by.map(stop));
  const stoppedAt = Date.now();
  ledger.operations++;
  ledger.cycles++;
  if (answer?.type !== "ack") return ledger.bad("lost", `a stop was answered ${JSON.stringify(answer)}`);
  for (const again of more)
    if (again["seq"] !== answer["seq"] || again["status"] !== answer["status"])
      ledger.bad("doubled", `two stops of one turn: ${JSON.stringify(answer)} and ${JSON.stringify(again)}`);
  ledger.saw(String(answer["status"]));
  const seq = Number(answer["seq"]);
  for (const [i, view] of views.entries()) {
    const member = [one, other][i] ?? one;
    if (!(await member.until(() => view.seq >= seq, `seq ${seq}`))) return;
    judge(run, view, turn, answer);
  }
  ends.set(turn.reply, Number(views[0]?.finished.get(turn.id)?.["length"]));
  // Where the stop was before the call there is no request, and there must never be one that goes on.
  const request = stage.model.requests.findLast(({ behaviour }) => behaviour.seed === turn.seed);
  if (request === undefined) return ledger.saw("stoppedBeforeTheCall");
  for (let i = 0; request.outcome === undefined && Date.now() - stoppedAt < slowest; i++) await sleep(5);
  if (request.outcome === undefined) ledger.bad("stuck", `the model still speaks ${slowest} ms after a stop`);
  else if (answer["status"] === "stopped") {
    outlived.push((request.endedAt ?? stoppedAt) - stoppedAt);
    ledger.most("modelOutlivedStopMs", outlived.at(-1) ?? 0);
  }
}

/** Stopped with a beginning of the text, or complete with all of it; one end, and it is the one that was acked. */
function judge({ ledger }: Run, view: WireView, { id, reply, seed, chars }: Turn, answer: Answer): void {
  const end = view.finished.get(id);
  const [text, whole] = [view.text(reply), expectedText(seed, chars)];
  if (end === undefined)
    return ledger.bad("lost", `a stop was acked at ${String(answer["seq"])}, and its end is not there`);
  if (end["status"] !== answer["status"])
    ledger.bad("mismatched", `a stop was acked as ${String(answer["status"])}, the end says ${String(end["status"])}`);
  const good = end["status"] === "completed" ? text === whole : end["status"] === "stopped" && whole.startsWith(text);
  if (!good) ledger.bad("torn", `${String(end["status"])} with ${text.length} of ${chars} characters, not the model's`);
}

/** Long afterwards: no stopped reply has grown, and both devices and a new one see the same. */
async function compare(run: Run, stage: Stage, pair: Pair, ends: ReadonlyMap<string, number>): Promise<void> {
  const { one, other, conversation } = pair;
  const { name, session } = one;
  const late = await Member.join(stage.member({ name, session, fair: [] }));
  const cold = await late.follow(conversation);
  for (const member of [one, other]) {
    const view = member.views.get(conversation);
    await member.until(() => (view?.seq ?? 0) >= cold.seq, "the end of the log");
    if (view?.canonical() !== cold.canonical())
      run.ledger.bad("mismatched", `a view of ${conversation} is not the log's`);
    member.views.delete(conversation);
    await member.ask({ type: "conversation.close", conversation });
  }
  for (const [reply, length] of ends)
    if (cold.text(reply).length !== length)
      run.ledger.bad("torn", `a stopped reply of ${length} characters has ${cold.text(reply).length} afterwards`);
  late.leave();
}
