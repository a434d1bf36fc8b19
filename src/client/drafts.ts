// Owns what was typed and not sent, per conversation, kept in local storage. A draft goes only when its message is kept elsewhere.
import { createCell, type Cell, type Readable } from "./cell.ts";
import type { LocalStore } from "./environment.ts";

export type Draft = Readable<string> & { set(text: string): void };

export type Drafts = {
  readonly of: (conversation: string) => Draft;
  /** Takes the text out of the box. What it returns is called when the message is kept elsewhere: only then it is forgotten. */
  take(conversation: string): { readonly text: string; readonly kept: () => void };
};

export function createDrafts(local: LocalStore, name: string): Drafts {
  const drafts = new Map<string, Cell<string> & Draft>();
  const keyOf = (conversation: string): string => `${name}/draft/${conversation}`;
  const find = (conversation: string): Cell<string> & Draft => {
    const known = drafts.get(conversation);
    if (known !== undefined) return known;
    const key = keyOf(conversation);
    const cell = createCell(local.getItem(key) ?? "");
    const draft = {
      ...cell,
      set(text: string) {
        if (text === "") local.removeItem(key);
        else local.setItem(key, text);
        cell.set(text);
      },
    };
    drafts.set(conversation, draft);
    return draft;
  };
  return {
    of: find,
    take(conversation) {
      const key = keyOf(conversation);
      const draft = find(conversation);
      const text = draft.getSnapshot();
      draft.set("");
      // Kept until the message is safe, but out of sight.
      if (text !== "") local.setItem(key, text);
      return {
        text,
        kept() {
          if (local.getItem(key) === text && draft.getSnapshot() !== text) local.removeItem(key);
        },
      };
    },
  };
}
