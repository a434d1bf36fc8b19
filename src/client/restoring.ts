// Owns when what was last seen is shown: to the one who certainly is the same person, before the first socket is opened (RE17).
import { rowsOf, type HeldConversations } from "./conversations.ts";
import type { Kept } from "./kept.ts";
import type { Credentials } from "./link.ts";
import type { Reading } from "./reading.ts";
import type { SignIn } from "./sign-in.ts";

const nothing = (): undefined => undefined;

/** Where nothing is kept: what was seen is there again when the server has spoken. */
export const keepNothing: Kept = {
  load: () => Promise.resolve(),
  find: nothing,
  changed: nothing,
  snapshotOf: nothing,
  clear: nothing,
  flush: nothing,
  close: nothing,
};

export function createRestoring(options: {
  kept: Kept;
  signIn: SignIn;
  /** Whose things are held here. */
  holder: () => string | undefined;
  list: HeldConversations;
  reading: Reading;
}) {
  const { kept, signIn, holder } = options;
  const restore = async (user: string): Promise<void> => {
    await kept.load(user);
    if (user !== holder()) return;
    const rows = kept.find("list");
    if (rows?.type === "ack") options.list.restore(rowsOf(rows));
    options.reading.restore();
  };
  return {
    /** The server has said who it is, or it is certain without. */
    restore,
    /** The next credentials to try; what they let show is shown first, so that readers begin at its cursor. */
    async credentials(fresh: boolean): Promise<Credentials | undefined> {
      const found = await signIn.credentials(fresh);
      const user = signIn.known()?.id;
      if (signIn.person() === undefined) kept.clear();
      else if (user !== undefined && user === holder()) await restore(user);
      return found;
    },
  };
}
