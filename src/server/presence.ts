// Owns the sockets of this process: each with its number, who is behind it, and its line in the journal. It reads no frame.
import type { Speaker } from "../domain/session.ts";
import type { CloseCode } from "../protocol/index.ts";
import type { Entrance, Entry } from "./entrance.ts";
import { tagged } from "./journal.ts";
import type { Clock, Journal, SessionAbout } from "./ports.ts";
import type { Socket } from "./socket.ts";
import { describeVisitor, type Visitor } from "./visitor.ts";
import type { Wire } from "./wire.ts";

/** A socket as the operator sees it. `since` in milliseconds since 1970; without `user` it has not signed in. */
type Connection = {
  readonly number: number;
  readonly since: number;
  readonly user?: string | undefined;
  readonly about: SessionAbout;
  readonly queuedBytes: number;
};

export type Presence = {
  accept(wire: Wire, visitor: Visitor): Socket;
  readonly count: () => number;
  sockets(): Iterable<Socket>;
  /** Bytes that wait for readers: all together, and for the slowest. */
  queues(): { bytes: number; most: number };
  /** The newest first, `most` at most. */
  list(most: number): readonly Connection[];
  /** How many sockets each person has here. */
  people(): ReadonlyMap<string, number>;
  /** Closes one; its client may come back. What it was; undefined: there is no such socket. */
  disconnect(number: number, code: CloseCode): Connection | undefined;
};

export type PresenceOptions = {
  readonly entrance: Pick<Entrance, "enter">;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly serve: (wire: Wire, entry: Entry, journal: Journal, gone: (code: number) => void) => Socket;
};

type Present = { readonly socket: Socket; readonly wire: Wire; readonly since: number } & {
  speaker?: Speaker;
  about: SessionAbout;
};

export function createPresence({ entrance, clock, journal, serve }: PresenceOptions): Presence {
  const present = new Map<number, Present>();
  let latest = 0;

  const connection = (number: number, { since, speaker, about, wire }: Present): Connection => ({
    number,
    since,
    user: speaker?.user,
    about,
    queuedBytes: wire.buffered(),
  });

  return {
    accept(wire, visitor) {
      const number = ++latest;
      const own = tagged(journal, { socket: number });
      const entry = entrance.enter(visitor);
      const since = clock.now();
      const began = clock.monotonic();
      const watched: Entry = {
        ...entry,
        async admit(command) {
          const admission = await entry.admit(command);
          if (!admission.ok) {
            own.info("sign_in_refused", { code: admission.rejection.code });
            return admission;
          }
          own.info("signed_in", { user: admission.speaker.user, resumed: admission.answer.session.resumed });
          const row = present.get(number);
          if (row === undefined) return admission;
          row.speaker = admission.speaker;
          row.about = describeVisitor(visitor, command.client);
          return admission;
        },
      };
      const socket = serve(wire, watched, own, (code) => {
        entry.leave(code);
        present.delete(number);
        own.info("socket_closed", { code, ms: Math.round(clock.monotonic() - began) });
      });
      present.set(number, { socket, wire, since, about: describeVisitor(visitor, undefined) });
      return socket;
    },
    count: () => present.size,
    sockets: () => [...present.values()].map(({ socket }) => socket),
    queues() {
      let bytes = 0;
      let most = 0;
      for (const { wire } of present.values()) {
        const own = wire.buffered();
        bytes += own;
        most = Math.max(most, own);
      }
      return { bytes, most };
    },
    list: (most) =>
      [...present]
        .slice(-most)
        .reverse()
        .map(([number, row]) => connection(number, row)),
    people() {
      const counts = new Map<string, number>();
      for (const { speaker } of present.values()) {
        if (speaker !== undefined) counts.set(speaker.user, (counts.get(speaker.user) ?? 0) + 1);
      }
      return counts;
    },
    disconnect(number, code) {
      const row = present.get(number);
      if (row === undefined) return undefined;
      const was = connection(number, row);
      row.socket.close(code);
      return was;
    },
  };
}
