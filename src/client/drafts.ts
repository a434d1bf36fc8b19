// Owns what was typed and not sent, per conversation, kept in local storage. A draft goes only when its message is kept elsewhere.
import { createCell, type Cell, type Readable } from "./cell.ts";
import type { LocalStore } from "./environment.ts";
import type { Person } from "./sign-in.ts";

export type Draft = Readable<string> & { set(text: string): void };

export type Drafts = {
  readonly of: (conversation: string) => Draft;
  /** Takes the text out of the box. What it returns is called when the message is kept elsewhere: only then it is forgotten. */
  take(conversation: string): { readonly text: string; readonly kept: () => void };
};

/** `by`: who typed it; undefined: before anybody had signed in here. */
type Kept = { readonly text: string; readonly by?: string | undefined };

export function createDrafts(local: LocalStore, name: string, person: Readable<Person | undefined>): Drafts {
  const drafts = new Map<string, { readonly cell: Cell<string>; readonly draft: Draft }>();
  /** Taken, and perhaps not kept elsewhere yet: out of sight. */
  const taken = new Map<string, string>();
  const keyOf = (conversation: string): string => `${name}/draft/${conversation}`;

  /** What the person who is here now may see of a draft: nobody reads another's (CO18). */
  const read = (conversation: string): string => {
    const kept = parse(local.getItem(keyOf(conversation)));
    const now = person.getSnapshot();
    const own = kept.by === undefined || kept.by === now?.id || kept.by === now?.was;
    return own ? kept.text : "";
  };
  const write = (conversation: string, text: string): void => {
    const kept: Kept = { text, by: person.getSnapshot()?.id };
    if (text === "") local.removeItem(keyOf(conversation));
    else local.setItem(keyOf(conversation), JSON.stringify(kept));
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
          if (read(conversation) === text && draft.getSnapshot() !== text) local.removeItem(keyOf(conversation));
        },
      };
    },
  };
}

function parse(stored: string | null): Kept {
  try {
    const value: unknown = JSON.parse(stored ?? "{}");
    if (typeof value !== "object" || value === null || !("text" in value)) return { text: "" };
    const by = "by" in value && typeof value.by === "string" ? value.by : undefined;
    return { text: typeof value.text === "string" ? value.text : "", by };
  } catch {
    return { text: "" };
  }
}
