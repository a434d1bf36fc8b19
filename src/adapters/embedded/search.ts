// Owns the search over a user's conversations: slices are read here, and opened and looked into on another thread. Writes nothing.
import { foldText, needleOf } from "../../domain/search.ts";
import { reject, type Rejection } from "../../protocol/index.ts";
import type { Clock, ListedConversation, Log } from "../../server/ports.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import type { Hot } from "./hot.ts";
import type { Keys } from "./keys.ts";
import { listedIn, listPage, readCursor, writeCursor, type List, type Page } from "./listing.ts";
import { SearchThread, type Hits } from "./search-thread.ts";
import { Walk, type Slice } from "./search-walk.ts";

/** Messages that one page looks into, about: then it ends with what it has found, and a cursor. */
export const messagesOfPage = 100_000;
/** Searches under way in one process. */
const mostAtOnce = 32;

export type Search = { readonly list: Log["list"]; close(): Promise<void> };

export function createSearch(
  db: Database,
  codec: Codec,
  parts: { readonly hot: Hot; readonly keys: Keys },
  options: { readonly clock: Clock; readonly messagesOfPage: number },
): Search {
  const { clock, messagesOfPage: most } = options;
  const read = listedIn(db, codec, parts.hot);
  const thread = new SearchThread();
  let underway = 0;
  let turn = Promise.resolve();

  /** Runs `run` alone in its turn of the event loop: however many search, one slice at a time holds it up. */
  const inTurn = <T>(run: () => T): Promise<T> => {
    const before = turn;
    let leave = (): void => undefined;
    turn = new Promise((resolve) => (leave = resolve));
    return before
      .then(() => new Promise<void>((resolve) => clock.soon(resolve)))
      .then(() => db.read(run))
      .finally(leave);
  };

  const look = ({ batch, of }: Slice): Promise<Hits | undefined> =>
    batch.messages.length === 0 ? Promise.resolve(of.map(() => undefined)) : thread.ask(batch);

  const search = async (user: string, needle: string, page: Page): Promise<List | Rejection> => {
    const { limit, archived } = page;
    const from = readCursor(page.cursor);
    const walk = new Walk({
      db,
      keys: parts.keys,
      clock,
      list: (place, count) => read(user, archived, place, count),
      from,
      needle,
      most,
    });
    const found: ListedConversation[] = [];
    const note = ({ of, ended }: Slice, hits: Hits): void => {
      of.forEach((searched, i) => (searched.snippet ??= hits[i]));
      for (const { row, snippet } of ended) {
        if (snippet !== undefined) found.push({ ...row, snippet });
        else if (foldText(row.title ?? "").includes(needle)) found.push(row);
      }
    };
    let asked: { slice: Slice; hits: Promise<Hits | undefined> } | undefined;
    do {
      // The next slice is read while the other thread looks into this one.
      const slice = found.length > limit ? undefined : await inTurn(() => walk.read());
      const next = slice && { slice, hits: look(slice) };
      if (asked !== undefined) {
        const hits = await asked.hits;
        if (hits === undefined) return reject("unavailable", { retryAfterMs: 1000 });
        note(asked.slice, hits);
      }
      asked = next;
    } while (asked !== undefined);
    const conversations = found.slice(0, limit);
    const last = found.length > limit ? conversations.at(-1) : undefined;
    if (last !== undefined) return { conversations, cursor: writeCursor(last) };
    return walk.isCut ? { conversations, cursor: writeCursor(walk.place) } : { conversations };
  };

  return {
    async list(user, page) {
      const needle = needleOf(page.query);
      if (needle === undefined) return db.read(() => listPage(read, user, page));
      if (underway >= mostAtOnce) return reject("overloaded", { retryAfterMs: 1000 });
      underway++;
      return search(user, needle, page).finally(() => underway--);
    },
    close: () => thread.close(),
  };
}
