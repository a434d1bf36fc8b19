// Owns which sockets a person has here: rows of the list to those that asked, and the end of sessions to all. It sends no answer.
import type { Log, Bus, Clock } from "./ports.ts";
import { encodeRow } from "./frames.ts";

/** A signed-in socket, as the hub sees it. */
export type Member = {
  readonly session: string;
  /** True once it has asked for the list. */
  listening(): boolean;
  /** Queues a row; false: there is no room for it now. */
  send(frame: string): boolean;
  end(): void;
};

export type Hub = {
  join(user: string, member: Member): void;
  leave(user: string, member: Member): void;
  /** Everybody who has a socket here. */
  people(): readonly string[];
};

/** A row is told at most this often (ms). */
const rowEvery = 1000;

type Person = { readonly members: Set<Member>; readonly stop: () => void; rows: Map<string, Row> | undefined };
type Row = { lastAt: number; cancel: (() => void) | undefined };

export function createHub(options: { bus: Bus; log: Log; clock: Clock }): Hub {
  const { bus, log, clock } = options;
  const people = new Map<string, Person>();

  const tell = async (user: string, conversation: string): Promise<void> => {
    const [record, page] = await Promise.all([
      log.conversation(conversation),
      log.messages(conversation, { limit: 1 }),
    ]);
    if (record === undefined || record.user !== user) return;
    const frame = encodeRow(record, page?.running[0]?.id);
    const person = people.get(user);
    let missed = false;
    for (const member of person?.members ?? []) if (member.listening() && !member.send(frame)) missed = true;
    // Told again in a second, as it is then, to one who does not read now.
    if (person !== undefined && missed) rowChanged(user, person, conversation);
  };

  /** Tells a row now, or when its second is over: the newest state then. */
  const rowChanged = (user: string, person: Person, conversation: string): void => {
    if (![...person.members].some((member) => member.listening())) return;
    const rows = (person.rows ??= new Map());
    const row: Row = rows.get(conversation) ?? { lastAt: Number.NEGATIVE_INFINITY, cancel: undefined };
    rows.set(conversation, row);
    if (row.cancel !== undefined) return;
    const wait = Math.max(0, row.lastAt + rowEvery - clock.monotonic());
    row.cancel = clock.after(wait, () => {
      row.lastAt = clock.monotonic();
      // Kept for a second so that a storm of changes stays one row a second, then forgotten.
      row.cancel = undefined;
      clock.after(rowEvery, () => {
        if (row.cancel === undefined && clock.monotonic() - row.lastAt >= rowEvery) rows.delete(conversation);
      });
      tell(user, conversation).catch(() => undefined);
    });
  };

  const endSessions = (person: Person, session: string | undefined): void => {
    for (const member of person.members) if (session === undefined || member.session === session) member.end();
  };

  const meet = (user: string): Person => {
    const known = people.get(user);
    if (known !== undefined) return known;
    const stop = bus.subscribe(`user/${user}`, (hint) => {
      if (hint.kind === "row") rowChanged(user, person, hint.conversation);
      else if (hint.kind === "session-ended") endSessions(person, hint.session);
    });
    const person: Person = { members: new Set(), stop, rows: undefined };
    people.set(user, person);
    return person;
  };

  return {
    join(user, member) {
      meet(user).members.add(member);
    },
    leave(user, member) {
      const person = people.get(user);
      if (person === undefined || !person.members.delete(member) || person.members.size > 0) return;
      people.delete(user);
      person.stop();
      for (const row of person.rows?.values() ?? []) row.cancel?.();
    },
    people: () => [...people.keys()],
  };
}
