// Owns what a person does with their own sessions: refresh, list, end one, sign out. It opens and closes no socket.
import { sessionEnd, type Speaker } from "../domain/session.ts";
import { isRejection } from "../domain/records.ts";
import { reject, stamp, type CommandOf, type Rejection, type SessionRow } from "../protocol/index.ts";
import type { Bus, Clock, Sessions } from "./ports.ts";
import { unavailable, unlessFull, type Doorman } from "./sessions.ts";

export type AccountCommand = CommandOf<"auth.refresh" | "auth.logout" | "session.list" | "session.revoke">;

/** The answer to a command; who speaks from now on; what is to be done once the answer is on its way. */
type Done = {
  readonly answer: object | Rejection;
  readonly speaker?: Speaker;
  /** Ends sessions on every socket, and this one where `leaves`. */
  readonly after?: { readonly publish: () => void; readonly leaves: boolean };
};

export type Account = { handle(command: AccountCommand, speaker: Speaker): Promise<Done> };

export type AccountOptions = {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly sessions: Sessions;
  readonly doorman: Doorman;
  readonly idleMs: number;
  readonly maxMs: number;
};

/** Sessions that a list has at most: the newest seen. */
const listed = 100;

export function createAccount(options: AccountOptions): Account {
  const { clock, sessions, doorman } = options;

  const list = async ({ user, session: own }: Speaker): Promise<object> => {
    const now = clock.now();
    const rows = await sessions.list(user, listed);
    const live = rows.filter((row) => now < sessionEnd(row.createdAt, row.lastSeenAt, options));
    return {
      sessions: live.map(({ id, about, createdAt, lastSeenAt }): SessionRow => {
        const { device = "unknown device", place = "unknown" } = about;
        return { id, current: id === own, device, place, createdAt: stamp(createdAt), lastSeenAt: stamp(lastSeenAt) };
      }),
    };
  };

  /** Ends a session, or all of them (`undefined`): committed before it is answered, closed right after. */
  const end = async (speaker: Speaker, session: string | undefined): Promise<Done> => {
    const { user } = speaker;
    const found = await unlessFull(() => sessions.revoke({ user, session }, clock.now()));
    if (found === undefined) return { answer: unavailable() };
    if (!found) return { answer: reject("not_found", { field: "session" }) };
    const publish = (): void => options.bus.publish(`user/${user}`, { kind: "session-ended", user, session });
    return { answer: {}, after: { publish, leaves: session === undefined || session === speaker.session } };
  };

  return {
    async handle(command, speaker) {
      switch (command.type) {
        case "auth.refresh": {
          const refreshed = await doorman.refresh(speaker, command.token);
          if (isRejection(refreshed)) return { answer: refreshed };
          return { answer: { session: refreshed.session }, speaker: refreshed.speaker };
        }
        case "auth.logout":
          return end(speaker, command.everywhere === true ? undefined : speaker.session);
        case "session.list":
          return { answer: await list(speaker) };
        case "session.revoke":
          return end(speaker, command.session);
        default:
          return command satisfies never;
      }
    },
  };
}
