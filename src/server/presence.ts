// Owns the sockets of this process: each with its number, who is behind it, and its line in the journal. It reads no frame.
import type { Speaker } from "../domain/session.ts";
import type { CloseCode, CommandOf, Rejection } from "../protocol/index.ts";
import type { Entrance, Entry } from "./entrance.ts";
import { tagged } from "./journal.ts";
import type { Admission } from "./sessions.ts";
import type { Clock, Journal, SessionAbout } from "./ports.ts";
import type { Place, Socket } from "./socket.ts";
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
  readonly serve: (wire: Wire, entry: Entry, place: Place) => Socket;
};

/** One socket that is here. */
class Present implements Place {
  readonly #among: Map<number, Present>;
  readonly #options: PresenceOptions;
  readonly #visitor: Visitor;
  readonly #entry: Entry;
  readonly #began: number;
  readonly number: number;
  readonly wire: Wire;
  readonly since: number;
  readonly socket: Socket;
  speaker: Speaker | undefined;
  #client: CommandOf<"auth">["client"];

  constructor(among: Map<number, Present>, options: PresenceOptions, number: number, wire: Wire, visitor: Visitor) {
    const { clock, entrance, serve } = options;
    this.#among = among;
    this.#options = options;
    this.#visitor = visitor;
    this.#entry = entrance.enter(visitor);
    this.#began = clock.monotonic();
    this.number = number;
    this.wire = wire;
    this.since = clock.now();
    this.socket = serve(wire, this.#entry, this);
  }

  journal(): Journal {
    return tagged(this.#options.journal, { socket: this.number });
  }

  signedIn({ client }: CommandOf<"auth">, { speaker, answer }: Extract<Admission, { ok: true }>): void {
    this.journal().info("signed_in", { user: speaker.user, resumed: answer.session.resumed });
    this.speaker = speaker;
    this.#client = client;
  }

  about(): SessionAbout {
    return describeVisitor(this.#visitor, this.#client);
  }

  refused(code: Rejection["code"]): void {
    this.journal().info("sign_in_refused", { code });
  }

  gone(code: number): void {
    this.#entry.leave(code);
    this.#among.delete(this.number);
    const ms = Math.round(this.#options.clock.monotonic() - this.#began);
    this.journal().info("socket_closed", { code, ms });
  }
}

export function createPresence(options: PresenceOptions): Presence {
  const present = new Map<number, Present>();
  let latest = 0;

  const connection = (row: Present): Connection => ({
    number: row.number,
    since: row.since,
    user: row.speaker?.user,
    about: row.about(),
    queuedBytes: row.wire.buffered(),
  });

  return {
    accept(wire, visitor) {
      const number = ++latest;
      const own = new Present(present, options, number, wire, visitor);
      present.set(number, own);
      return own.socket;
    },
    count: () => present.size,
    *sockets() {
      for (const { socket } of present.values()) yield socket;
    },
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
      [...present.values()]
        .slice(-most)
        .reverse()
        .map((row) => connection(row)),
    people() {
      const counts = new Map<string, number>();
      for (const { speaker } of present.values()) {
        if (speaker !== undefined) counts.set(speaker.user, (counts.get(speaker.user) ?? 0) + 1);
      }
      return counts;
    },
    disconnect(number, code) {
      const row = present.get(number);
      // One that is being closed is no connection any more, though its peer may take its time.
      if (row === undefined || row.socket.isClosed()) return undefined;
      const was = connection(row);
      row.socket.close(code);
      return was;
    },
  };
}
