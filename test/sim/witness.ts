// Owns the truth of a world: every event from the moment of its commit, held against what the store says. It changes nothing.
import type { MemoryDisk } from "../../src/adapters/memory/disk.ts";
import type { Event, EventOf } from "../../src/protocol/index.ts";
import type { Entry, TurnRecord, Work } from "../../src/server/ports.ts";
import { canon } from "./canon.ts";
import { emptyStory, lengthOf, tell, type Story } from "./second-fold.ts";

type History = {
  readonly id: string;
  readonly user: string;
  /** `events[i]` has seq i + 1; `stories[i]` is the fold up to seq i. */
  readonly events: Event[];
  readonly stories: Story[];
  readonly at: number[];
  endedAt: number | undefined;
};

export type TurnStory = {
  readonly id: string;
  readonly conversation: string;
  readonly message: string;
  finishedAt: number | undefined;
  status: string;
  /** Take-ups in a row without a piece of text; the first of them may follow progress. */
  idle: number;
};

type Staged = {
  readonly conversation: string;
  readonly head: number;
  readonly events: readonly Event[];
  readonly user: string | undefined;
  readonly key: string | undefined;
  readonly erase: boolean;
  readonly replaced: boolean;
};

export type Witness = ReturnType<typeof createWitness>;

export function createWitness(options: {
  disk: () => MemoryDisk;
  now: () => number;
  wrong: (rule: string, detail: string) => void;
  /** Told of every event that was committed. */
  committed: (history: History, event: Event, seq: number, by: string) => void;
}) {
  const { disk, wrong } = options;
  const histories = new Map<string, History>();
  const turns = new Map<string, TurnStory>();
  const applied = new Map<string, string>();
  let rows = new Map<string, TurnRecord>();
  let staged: Staged[] = [];
  let titles = 0;

  const note = (work: Work): Work => ({
    ...work,
    decide(view) {
      const effect = work.decide(view);
      if ("code" in effect) return effect;
      const user = (effect.conversation ?? view.conversation)?.user;
      staged.push({
        conversation: work.conversation,
        head: view.conversation?.head ?? 0,
        events: effect.events,
        user,
        key: work.key && `${work.key.user} ${work.key.id}`,
        erase: effect.erase === true,
        replaced: (effect.replace ?? []).length > 0,
      });
      return effect;
    },
  });

  const open = (item: Staged): History => {
    const known = histories.get(item.conversation);
    if (known !== undefined) return known;
    const user = item.user ?? "nobody";
    const events: Event[] = [];
    const history = { id: item.conversation, user, events, stories: [emptyStory], at: [0], endedAt: undefined };
    histories.set(item.conversation, history);
    return history;
  };

  const lookAtTurn = (history: History, event: Event, seq: number, by: string, item: Staged): void => {
    if (!("turn" in event)) return;
    const where = `${event.kind} of turn ${event.turn} at seq ${seq}`;
    const turn = turns.get(event.turn);
    if (event.kind === "turn.started") {
      if (turn !== undefined) return wrong("invariant 8", `a second ${where}`);
      const { turn: id, message } = event;
      const fresh = { finishedAt: undefined, status: "running", idle: 0 };
      turns.set(id, { id, conversation: history.id, message, ...fresh });
      return;
    }
    if (turn === undefined) return wrong("invariant 8", `${where}: it never began`);
    if (turn.finishedAt !== undefined) return wrong("invariant 9", `${where}: it was over`);
    if (item.key === undefined) {
      const owner = rows.get(event.turn)?.owner;
      // A process may add a name of its own to that which it was given.
      if (owner !== undefined && owner !== by && !owner.startsWith(`${by}#`))
        wrong("invariant 7", `${where} by ${by}, but ${owner} owns it`);
    }
    if (event.kind === "turn.finished") {
      turn.finishedAt = options.now();
      turn.status = event.status;
    } else if (event.kind === "turn.resumed") {
      if (++turn.idle > 4) wrong("B16", `${where}: ${turn.idle} take-ups without progress`);
    } else if (event.kind === "reply.appended") {
      if (event.type === "text") turn.idle = 0;
      lookAtPiece(event, where);
    }
  };
  const lookAtPiece = ({ text }: EventOf<"reply.appended">, where: string): void => {
    if (text.length === 0) wrong("BA", `${where} is empty`);
    if (text.length > 16_384) wrong("BA3", `${where} has ${text.length} characters`);
    const unit = text.charCodeAt(0);
    if (unit >= 0xdc00 && unit <= 0xdfff) wrong("BA3", `${where} begins inside of a character`);
  };

  const append = (item: Staged, by: string): void => {
    if (item.key !== undefined) {
      if (applied.has(item.key)) wrong("invariant 2", `command ${item.key} took effect twice`);
      applied.set(item.key, by);
    }
    if (item.events.length === 0) return;
    const history = open(item);
    if (history.endedAt !== undefined) wrong("CM10", `events after the end of ${item.conversation}`);
    if (item.head !== history.events.length) {
      wrong("invariant 4", `${item.conversation} was decided on at ${item.head}, its head is ${history.events.length}`);
    }
    for (const event of item.events) {
      const before = history.stories.at(-1) ?? emptyStory;
      const seq = history.events.push(event);
      if (
        event.kind === "message.created" &&
        before.turns.some((turn) => turn.message === event.message.metadata.parent)
      ) {
        wrong("CM4", `${event.message.id} was put under a reply that is being made`);
      }
      if (event.kind === "conversation.updated" && item.key === undefined) {
        titles++;
        if (before.title !== undefined) wrong("TI3", `${item.conversation} at seq ${seq} was named already`);
      }
      const story = tell(before, event, seq);
      history.stories.push(story);
      history.at.push(options.now());
      if (story.faults.length > before.faults.length) {
        wrong("invariant 4", `${item.conversation} at seq ${seq}, by ${by}: ${story.faults.at(-1)}`);
      }
      lookAtTurn(history, event, seq, by, item);
      if (event.kind === "conversation.deleted") {
        history.endedAt = options.now();
        for (const turn of turns.values()) {
          if (turn.conversation === history.id) turn.finishedAt ??= options.now();
        }
      }
      options.committed(history, event, seq, by);
    }
  };

  /** The stored log, piece by piece, against the events as they were committed. */
  const compare = (history: History): void => {
    const shelf = disk().shelves.get(history.id);
    if (shelf === undefined) return wrong("invariant 1", `${history.id} is gone`);
    if (shelf.record.head !== history.events.length) {
      return wrong("invariant 1", `${history.id}: head ${shelf.record.head}, committed were ${history.events.length}`);
    }
    if (history.endedAt !== undefined) return;
    let seq = 0;
    for (const entry of shelf.entries) {
      if (entry.first !== seq + 1) return wrong("invariant 4", `${history.id}: after seq ${seq} comes ${entry.first}`);
      seq = entry.last;
      if (!saysTheSame(entry, history.events)) {
        return wrong("invariant 1", `${history.id}: entry ${entry.first}..${entry.last} is not what was committed`);
      }
    }
    if (seq !== history.events.length) wrong("invariant 4", `${history.id}: entries end at ${seq}`);
  };

  return {
    histories,
    turns,
    applied,
    /** Names that the server gave. */
    titles: () => titles,
    note,
    /** Before a call of the store writes: what was staged by an earlier one that failed is void. */
    begin(): void {
      staged = [];
    },
    /** The store has written, and has answered nobody yet. `by`: the process that wrote. */
    sync(by: string): void {
      const items = staged;
      staged = [];
      for (const item of items) append(item, by);
      for (const id of new Set(items.map((item) => item.conversation))) {
        const [stored, told] = [disk().shelves.get(id)?.record.head ?? 0, histories.get(id)?.events.length ?? 0];
        if (stored !== told) wrong("invariant 1", `${id} has ${stored} events in the store, ${told} were committed`);
      }
      rows = new Map();
      for (const shelf of disk().shelves.values()) {
        for (const turn of shelf.turns.values()) if (turn.status === "running") rows.set(turn.id, turn);
      }
      for (const id of new Set(items.filter((item) => item.replaced).map((item) => item.conversation))) {
        const history = histories.get(id);
        if (history !== undefined) compare(history);
      }
    },
    /** Keeps what is known now. What it returns goes back to it, as a store does that is restored. */
    keep(): () => void {
      const kept = new Map([...histories].map(([id, history]) => [id, copyOf(history)]));
      const keptTurns = new Map([...turns].map(([id, turn]) => [id, { ...turn }]));
      const keptApplied = new Map(applied);
      return () => {
        refill(histories, kept);
        refill(turns, keptTurns);
        refill(applied, keptApplied);
        rows = new Map();
        staged = [];
      };
    },
    row: (turn: string): TurnRecord | undefined => rows.get(turn),
    head: (conversation: string): number => histories.get(conversation)?.events.length ?? 0,
    story(conversation: string, seq: number): Story | undefined {
      return histories.get(conversation)?.stories[seq];
    },
    last(conversation: string): Story | undefined {
      return histories.get(conversation)?.stories.at(-1);
    },
    /** Everything that is stored, once more and whole. Nothing may be under way. */
    audit(): void {
      for (const history of histories.values()) {
        compare(history);
        const shelf = disk().shelves.get(history.id);
        const story = history.stories.at(-1);
        if (shelf === undefined || story === undefined || history.endedAt !== undefined) continue;
        const stored = [...shelf.messages.values()];
        if (stored.length !== story.messages.length)
          wrong("invariant 3", `${history.id}: ${stored.length} rows of messages`);
        stored.forEach((row, i) => {
          if (row.openSince !== undefined) wrong("TU6", `the row of ${row.message.id} was left open`);
          const told = story.messages[i];
          if (told === undefined || canon(row.message) !== canon(told)) {
            wrong("invariant 3", `row ${canon(row.message)} is not the fold's ${told && canon(told)}`);
          }
          if (told?.metadata.status === "completed" && told.metadata.turn !== undefined) {
            const turn = shelf.turns.get(told.metadata.turn);
            if (turn?.length !== lengthOf(told))
              wrong("TU5", `turn ${turn?.id} has length ${turn?.length}, not ${lengthOf(told)}`);
          }
        });
        for (const turn of shelf.turns.values()) {
          if (turn.status === "running") wrong("invariant 10", `turn ${turn.id} still runs`);
          else if (!turn.settled) wrong("TU6", `turn ${turn.id} is not settled`);
        }
        const { title, archived } = shelf.record;
        if (title !== story.title || archived !== story.archived)
          wrong("invariant 3", `the row of ${history.id} differs`);
      }
    },
  };
}

const copyOf = (history: History): History => ({
  ...history,
  events: [...history.events],
  stories: [...history.stories],
  at: [...history.at],
});

function refill<K, V>(map: Map<K, V>, from: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of from) map.set(key, value);
}

/** Takes a stored entry apart by its cuts, and compares every piece. Only of merged ones the stamps may differ. */
function saysTheSame(entry: Entry, events: readonly Event[]): boolean {
  const { first, last, event, cuts } = entry;
  if (first === last && cuts === undefined) return canon(event) === canon(events[first - 1]);
  if (event.kind !== "reply.appended" || cuts?.length !== last - first + 1) return false;
  let from = 0;
  for (let seq = first; seq <= last; seq++) {
    const to = cuts[seq - first] ?? -1;
    const was = events[seq - 1];
    if (was?.kind !== "reply.appended") return false;
    const piece = { ...event, at: was.at, offset: event.offset + from, text: event.text.slice(from, to) };
    if (canon(piece) !== canon(was)) return false;
    from = to;
  }
  return from === event.text.length;
}
