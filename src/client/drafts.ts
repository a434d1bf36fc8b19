// Owns what was typed and not sent, per person and conversation, kept in local storage. A draft goes only when its message is kept elsewhere.
import { createCell, type Cell, type Readable } from "./cell.ts";
import type { LocalStore } from "./environment.ts";
import type { Person } from "./sign-in.ts";

export type Draft = Readable<string> & { set(text: string): void };

export type Drafts = {
  readonly of: (conversation: string) => Draft;
  /** Takes the text out of the box. What it returns is called when the message is kept elsewhere: only then it is forgotten. */
  take(conversation: string): { readonly text: string; readonly kept: () => void };
};

export function createDrafts(local: LocalStore, name: string, person: Readable<Person | undefined>): Drafts {
  const drafts = new Map<string, { readonly cell: Cell<string>; readonly draft: Draft }>();
  /** Taken, and perhaps not kept elsewhere yet: out of sight. */
  const taken = new Map<string, string>();
  /** Where what the person here may see is kept: their own, that of the guest they were, that of nobody yet (SG16). */
  const keysOf = (conversation: string): string[] => {
    const now = person.getSnapshot();
    const key = `${name}/draft/${conversation}`;
    const own = [now?.id, now?.was].flatMap((id) => (id === undefined ? [] : [`${key}/${id}`]));
    return [...own, key];
  };
  const read = (conversation: string): string => {
    for (const key of keysOf(conversation)) {
      const text = local.getItem(key);
      if (text !== null) return text;
    }
    return "";
  };
  const write = (conversation: string, text: string): void => {
    const [own = "", ...former] = keysOf(conversation);
    if (text === "") local.removeItem(own);
    else local.setItem(own, text);
    for (const key of former) local.removeItem(key);
  };
  const find = (conversation: string): Draft => {
    const known = drafts.get(conversation)?.draft;
    if (known !== undefined) return known;
    const cell = createCell(read(conversation));
    const draft = {
      ...cell,
      set(text: string) {
        write(conversation, text);
        cell.set(text);
      },
    };
    drafts.set(conversation, { cell, draft });
    return draft;
  };
  person.subscribe(() => {
    for (const [conversation, { cell }] of drafts) {
      const text = read(conversation);
      cell.set(text === taken.get(conversation) ? "" : text);
    }
  });

  return {
    of: find,
    take(conversation) {
      const draft = find(conversation);
      const text = draft.getSnapshot();
      draft.set("");
      // Kept until the message is safe, but out of sight.
      if (text !== "") {
        write(conversation, text);
        taken.set(conversation, text);
      }
      return {
        text,
        kept() {
          if (taken.get(conversation) === text) taken.delete(conversation);
          if (read(conversation) === text && draft.getSnapshot() !== text) write(conversation, "");
        },
      };
    },
  };
}
