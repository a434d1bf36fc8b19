// Owns what of a conversation's messages is looked at: the tree of branches and the chosen way through it. Pure.
import type { Message } from "../protocol/index.ts";

/** Where a message stands among its siblings: `index` from 0, the ids in the order of their creation. */
export type Branch = { readonly index: number; readonly siblings: readonly string[] };

/** The tree over the messages that are loaded, in the order of the log. */
export type Tree = {
  /** Siblings by their parent's id; of messages without a parent, by "". */
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly at: ReadonlyMap<string, number>;
  /** By message: the position of the newest message at or below it. */
  readonly newest: readonly number[];
  readonly parents: readonly string[];
};

export const parentKey = (message: Message): string => message.metadata.parent ?? "";

/** Messages come after their parents. One whose parent is not loaded begins a way of its own. */
export function growTree(messages: readonly Message[]): Tree {
  const children = new Map<string, string[]>();
  const at = new Map<string, number>();
  const parents = messages.map(parentKey);
  const newest = messages.map((_, i) => i);
  for (const [i, { id }] of messages.entries()) {
    at.set(id, i);
    const siblings = children.get(parents[i] ?? "");
    if (siblings === undefined) children.set(parents[i] ?? "", [id]);
    else siblings.push(id);
  }
  for (let i = messages.length - 1; i >= 0; i--) {
    const parent = at.get(parents[i] ?? "");
    const mine = newest[i];
    if (parent !== undefined && mine !== undefined && mine > (newest[parent] ?? 0)) newest[parent] = mine;
  }
  return { children, at, newest, parents };
}

/** True where both have the same messages in the same places: the tree need not be grown again. */
export function sameShape(a: readonly Message[], b: readonly Message[]): boolean {
  return a.length === b.length && a[0]?.id === b[0]?.id && a.at(-1)?.id === b.at(-1)?.id;
}

/** What was chosen among siblings, by parent key. Where nothing was chosen, the branch with the newest message is shown. */
export type Choices = ReadonlyMap<string, string>;

/** The ids of the way from the oldest loaded message to the leaf. */
export function findPath(tree: Tree, messages: readonly Message[], choices: Choices): string[] {
  let key = rootKey(tree, messages);
  const path: string[] = [];
  for (let siblings = tree.children.get(key); siblings !== undefined; siblings = tree.children.get(key)) {
    const chosen = choices.get(key);
    const next = chosen !== undefined && siblings.includes(chosen) ? chosen : newestOf(tree, siblings);
    path.push(next);
    key = next;
  }
  return path;
}

/** The parent key of the topmost loaded ancestor of the newest message. */
function rootKey(tree: Tree, messages: readonly Message[]): string {
  if (tree.children.has("")) return "";
  let at = messages.length - 1;
  for (let up = tree.at.get(tree.parents[at] ?? ""); up !== undefined; up = tree.at.get(tree.parents[at] ?? ""))
    at = up;
  return tree.parents[at] ?? "";
}

function newestOf(tree: Tree, siblings: readonly string[]): string {
  const age = (id: string): number => tree.newest[tree.at.get(id) ?? 0] ?? 0;
  return siblings.reduce((best, id) => (age(id) > age(best) ? id : best));
}

/** The choices that lead to a message, wherever there is something to choose on its way. */
export function choicesTo(messages: readonly Message[], message: string, choices: Choices): Map<string, string> {
  const next = new Map(choices);
  const { at, parents, children } = growTree(messages);
  let id = message;
  for (let i = at.get(id); i !== undefined; i = at.get(id)) {
    const key = parents[i] ?? "";
    if ((children.get(key)?.length ?? 0) > 1) next.set(key, id);
    id = key;
  }
  return next;
}

/** The siblings of a message, if there are others. */
export function branchOf(tree: Tree, message: Message): Branch | undefined {
  const siblings = tree.children.get(parentKey(message)) ?? [];
  return siblings.length < 2 ? undefined : { index: siblings.indexOf(message.id), siblings };
}
