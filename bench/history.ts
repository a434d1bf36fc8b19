// Owns the making of long histories through the store's own commits, as the server would write them: a program, so that its memory is nobody else's.
//   node bench/history.ts DIR '{"conversations":[{"id":"...","exchanges":1000}],"bytes":0,"text":1800}'
// Prints one line of JSON: the session's token, and what was made.
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { localBus } from "../src/adapters/embedded/bus.ts";
import { MasterVault } from "../src/adapters/embedded/master-vault.ts";
import { openStore, type Store } from "../src/adapters/embedded/store.ts";
import { appendPieces, finishTurn, settle, startTurn } from "../src/domain/turn.ts";
import { defaultLimits, reject, stamp, type Message } from "../src/protocol/index.ts";
import { systemClock } from "../src/server/clock.ts";
import type { Entry, Work } from "../src/server/ports.ts";
import { createDoorman } from "../src/server/sessions.ts";

/** `exchanges`: a message and its reply each. `bytes`: further conversations are made until the file has so many. */
export type Wanted = {
  readonly conversations: readonly { readonly id: string; readonly exchanges: number }[];
  readonly bytes: number;
  /** Characters of a reply. */
  readonly text: number;
};
export type Made = {
  readonly token: string;
  readonly user: string;
  readonly exchanges: number;
  readonly bytes: number;
};

/** Exchanges of one commit. */
const atOnce = 25;
const exchangesOfFurther = 100;
const uuid = (): string => systemClock.uuid();

/** Text that no two replies share, so that nothing on the way could be smaller than real text is. */
function textOf(length: number): string {
  let text = "";
  while (text.length < length) text += `${Math.floor(systemClock.random() * 2 ** 40).toString(36)} `;
  return text.slice(0, length);
}

export const openStoreIn = (dir: string): Store =>
  openStore({
    file: join(dir, "throughline.db"),
    vault: new MasterVault({ keys: [], file: join(dir, "master.key") }),
    durability: "process",
    clock: systemClock,
  });

async function signIn(store: Store): Promise<{ user: string; token: string }> {
  const identity = { verify: () => Promise.resolve(reject("unauthorized")) };
  const ages = { guests: true, idleMs: 7 * 86_400_000, maxMs: 30 * 86_400_000 };
  const doorman = createDoorman({ ...store, clock: systemClock, bus: localBus(), identity, ...ages });
  const admitted = await doorman.admit({ type: "auth", id: "1", guest: true }, {});
  if (!admitted.ok) throw new Error(`no guest: ${admitted.rejection.code}`);
  return { user: admitted.speaker.user, token: admitted.answer.session.token };
}

async function commit(store: Store, works: readonly Work[]): Promise<readonly (readonly Entry[])[]> {
  return (await store.log.commit(works)).map((outcome) => {
    if (!outcome.ok) throw new Error(`refused: ${outcome.rejection.code}`);
    return outcome.entries;
  });
}

const createIn = (id: string, user: string): Work => ({
  conversation: id,
  decide: () => {
    const now = systemClock.now();
    const row = { id, user, createdAt: now, updatedAt: now, head: 0, newest: null, archived: false, deleted: false };
    const title = textOf(30);
    const created = { kind: "conversation.created", at: stamp(now), title } as const;
    return { events: [created], conversation: { ...row, title }, answer: {} };
  },
});

/** A message, and the reply to it: begun, written in pieces, finished. */
function exchange(conversation: string, user: string, parent: string | null, length: number) {
  const [turn, reply, message] = [uuid(), uuid(), uuid()];
  const now = systemClock.now();
  const at = stamp(now);
  const sent: Message = {
    id: message,
    role: "user",
    parts: [{ type: "text", text: textOf(Math.min(200, length)) }],
    metadata: { createdAt: at, parent },
  };
  const model = "openai-compatible:bench";
  const owner = "bench";
  const context = { user, now, turn, reply, model, owner, leaseUntil: now + 30_000, limits: defaultLimits };
  const begin: Work = {
    conversation,
    decide: (view) =>
      view.conversation === undefined ? reject("not_found") : startTurn(view.conversation, [], sent, message, context),
  };
  const claim = { id: turn, conversation, fence: 1 };
  const piece = Math.ceil(length / 4);
  const events = [0, 1, 2, 3].map((n) => ({
    ...({ kind: "reply.appended", at, turn, message: reply, part: 0, type: "text" } as const),
    offset: n * piece,
    text: textOf(piece),
  }));
  const usage = { inputTokens: 100, outputTokens: Math.ceil(length / 4) };
  const end = finishTurn(claim, { status: "completed", usage }, now);
  return {
    works: [begin, appendPieces(claim, events, 4 * piece), end],
    turn: { id: turn, conversation, message: reply },
  };
}

/** Adds exchanges to a conversation that is there, at its end. */
async function addExchanges(
  store: Store,
  place: { conversation: string; user: string; newest: string | null },
  count: number,
  length: number,
): Promise<void> {
  const { conversation, user } = place;
  let parent = place.newest;
  for (let done = 0; done < count; done += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - done) }, () => {
      const made = exchange(conversation, user, parent, length);
      parent = made.turn.message;
      return made;
    });
    const entries = await commit(
      store,
      some.flatMap(({ works }) => works),
    );
    await commit(
      store,
      some.map(({ turn }, i) =>
        settle(
          turn,
          entries
            .slice(3 * i, 3 * i + 3)
            .flat()
            .slice(1),
        ),
      ),
    );
  }
}

async function make(dir: string, { conversations, bytes, text }: Wanted): Promise<Made> {
  mkdirSync(dir, { recursive: true });
  const store = openStoreIn(dir);
  const { user, token } = await signIn(store);
  let exchanges = 0;
  const add = async (id: string, count: number): Promise<void> => {
    await commit(store, [createIn(id, user)]);
    await addExchanges(store, { conversation: id, user, newest: null }, count, text);
    exchanges += count;
  };
  for (const one of conversations) await add(one.id, one.exchanges);
  const size = (): number => statSync(join(dir, "throughline.db")).size;
  while (size() < bytes) await add(uuid(), exchangesOfFurther);
  await store.close();
  return { token, user, exchanges, bytes: size() };
}

if (import.meta.main) {
  const [dir = "", wanted = "{}"] = process.argv.slice(2);
  console.log(JSON.stringify(await make(dir, JSON.parse(wanted) as Wanted)));
}
