// Owns the end of an account: sessions first, then everything, then once more what was still under way. It deletes no row itself.
import { errorName } from "./journal.ts";
import type { Bus, Clock, Erasures, Journal, Sessions } from "./ports.ts";

export type Erasure = {
  /** When this resolves, nobody is signed in as this person any more, and nothing of theirs can be read. May be called again. */
  erase(user: string): Promise<void>;
  /** Finishes what a crash interrupted. To be called before anybody comes in. */
  resume(): Promise<void>;
  /** Finishes what is left to do, at once. */
  stop(): Promise<void>;
};

export type ErasureOptions = {
  readonly erasures: Erasures;
  readonly sessions: Sessions;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly journal: Journal;
  /** Whoever counts what a person uses forgets them. */
  readonly forget: (user: string) => void;
  /** Rows of files are gone. */
  readonly swept: () => void;
};

/** How long (ms) what was begun before the sockets were closed may still be on its way: a commit, a sign-in, a guest who moves in. */
const lateMs = 3000;

export function createErasure(options: ErasureOptions): Erasure {
  const { erasures, sessions, bus, clock, journal } = options;
  /** Those who are looked for once more, with what calls that off. */
  const late = new Map<string, () => void>();

  const pass = async (user: string, again: boolean): Promise<number> => {
    await sessions.revoke({ user }, clock.now());
    bus.publish(`user/${user}`, { kind: "session-ended", user });
    options.forget(user);
    const conversations = await erasures.erase(user, { again });
    for (const conversation of conversations) bus.publish("turns", { kind: "turn-ended", conversation });
    options.swept();
    return conversations.length;
  };
  const finish = async (user: string): Promise<void> => {
    late.get(user)?.();
    late.delete(user);
    try {
      await pass(user, false);
    } catch (error) {
      // It stays unfinished in the store, and is finished at the next start.
      journal.error("erasure_failed", { error: errorName(error) });
    }
  };

  return {
    async erase(user) {
      const conversations = await pass(user, true);
      journal.info("user_erased", { conversations });
      late.get(user)?.();
      late.set(
        user,
        clock.after(lateMs, () => void finish(user)),
      );
    },
    async resume() {
      for (const user of await erasures.unfinished()) await pass(user, false);
    },
    async stop() {
      await Promise.all([...late.keys()].map(finish));
    },
  };
}
