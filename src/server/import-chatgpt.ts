// Owns the reading of ChatGPT's `conversations.json`: a tree of nodes becomes messages, many nodes of one answer become one. Pure.
import * as v from "valibot";
import type { ImportedConversation } from "../domain/imported.ts";
import { stamp, type Message, type Part } from "../protocol/index.ts";
import { cleanTitle, keptParts, missing, timeOf, type ImportContext } from "./import-parts.ts";

/** Nothing in it is sure but that it is a tree: what is not as expected is left out, not refused. */
const loose = v.fallback(v.optional(v.unknown()), undefined);
const text = v.fallback(v.optional(v.string()), undefined);
const message = v.object({
  author: v.object({ role: v.string() }),
  create_time: loose,
  content: v.fallback(v.looseObject({ content_type: text }), { content_type: undefined }),
  metadata: v.fallback(v.looseObject({ model_slug: text, is_visually_hidden_from_conversation: loose }), {}),
  recipient: text,
});
const node = v.object({
  parent: v.fallback(v.nullish(v.string()), null),
  children: v.fallback(v.array(v.string()), []),
  message: v.fallback(v.nullish(message), null),
});
const schema = v.object({
  id: text,
  conversation_id: text,
  title: v.fallback(v.nullish(v.string()), null),
  create_time: loose,
  update_time: loose,
  is_archived: loose,
  current_node: v.fallback(v.nullish(v.string()), null),
  mapping: v.record(v.string(), node),
});
type Node = v.InferOutput<typeof node>;
type Nodes = ReadonlyMap<string, Node>;
type NodeMessage = v.InferOutput<typeof message>;

export const isChatgpt = (value: unknown): boolean =>
  v.is(v.object({ mapping: v.record(v.string(), v.unknown()) }), value);

/** A message that grows while the nodes of one answer are read. */
type Growing = {
  readonly id: string;
  readonly role: "user" | "assistant";
  parts: Part[];
  readonly metadata: Message["metadata"];
};
/** Where a node stands: in which message, and how many of its parts are of it and those before it. */
type Standing = { readonly at: Growing; readonly parts: number } | undefined;

/** undefined: it is not what it looks like. */
export function readChatgpt(value: unknown, context: ImportContext): ImportedConversation | undefined {
  const read = v.safeParse(schema, value);
  if (!read.success) return undefined;
  const { output } = read;
  // Not the object itself: what every object has is no node.
  const nodes: Nodes = new Map(Object.entries(output.mapping));
  const source = output.conversation_id ?? output.id;
  if (source === undefined || source === "" || source.length > 200) return undefined;
  const createdAt = timeOf(output.create_time, context);
  const grown: Growing[] = [];
  // A stack, not a recursion: a hostile tree is as deep as it likes. The branch that was shown last is walked last.
  const shown = shownNodes(output.current_node, nodes);
  const seen = new Set<string>();
  const stack: { id: string; above: Standing; time: number }[] = rootsOf(nodes, shown)
    .toReversed()
    .map((id) => ({ id, above: undefined, time: createdAt }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { id, above, time } = next;
    const node = nodes.get(id);
    if (node === undefined || seen.has(id)) continue;
    seen.add(id);
    const at = timeOf(node.message?.create_time, context, time);
    const standing = stand(id, node.message ?? undefined, above, at, grown, context);
    for (const child of ordered(node, shown).toReversed()) stack.push({ id: child, above: standing, time: at });
  }
  return {
    source,
    title: cleanTitle(output.title),
    createdAt,
    updatedAt: timeOf(output.update_time, context, createdAt),
    archived: output.is_archived === true,
    messages: grown.map((one) => ({ ...one, parts: keptParts(one.parts, one.role, context) })),
  };
}

/** What a node adds, and where those below it stand: the same message goes on, or another begins. */
function stand(
  id: string,
  message: NodeMessage | undefined,
  above: Standing,
  at: number,
  grown: Growing[],
  context: ImportContext,
): Standing {
  const role = message?.author.role;
  if (message === undefined || (role !== "user" && role !== "assistant")) return above;
  const parts = message.metadata.is_visually_hidden_from_conversation === true ? [] : partsOf(message);
  if (parts.length === 0) return above;
  const { model_slug: model } = message.metadata;
  const same = above?.at.role === role;
  if (same && above.at.parts.length === above.parts) {
    above.at.parts.push(...parts);
    return { at: above.at, parts: above.at.parts.length };
  }
  // Beside what has gone on otherwise: with the beginning that both have.
  const before = same ? above.at.parts.slice(0, above.parts) : [];
  const parent = same ? above.at.metadata.parent : (above?.at.id ?? null);
  const begun: Growing = {
    id: context.idOf(id),
    role,
    parts: [...before, ...parts],
    metadata: {
      createdAt: stamp(at),
      parent,
      ...(role === "assistant" ? { status: "completed" as const } : {}),
      ...(model === undefined || role === "user" ? {} : { model: model.slice(0, 200) }),
    },
  };
  grown.push(begun);
  return { at: begun, parts: begun.parts.length };
}

/** The nodes from the current one up to its root. */
function shownNodes(current: string | null | undefined, nodes: Nodes): ReadonlySet<string> {
  const shown = new Set<string>();
  for (let id = current; id && !shown.has(id); id = nodes.get(id)?.parent) shown.add(id);
  return shown;
}

const last = (ids: readonly string[], shown: ReadonlySet<string>): string[] => [
  ...ids.filter((id) => !shown.has(id)),
  ...ids.filter((id) => shown.has(id)),
];
const ordered = ({ children }: Node, shown: ReadonlySet<string>): string[] => last(children, shown);
const rootsOf = (nodes: Nodes, shown: ReadonlySet<string>): string[] =>
  last(
    [...nodes].flatMap(([id, { parent }]) => (parent && nodes.has(parent) ? [] : [id])),
    shown,
  );

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
const stringOf = (value: unknown, name: string): string | undefined => {
  const found = isObject(value) ? value[name] : undefined;
  return typeof found === "string" && found !== "" ? found : undefined;
};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const say = (type: "text" | "reasoning", texts: readonly (string | undefined)[]): Part[] => {
  const whole = texts.filter((text) => text !== undefined && text.trim() !== "").join("\n\n");
  return whole === "" ? [] : [{ type, text: whole }];
};

/** The kinds of content that a person saw. What was said between the model and its tools is left out. */
function partsOf({ author, content, recipient }: NodeMessage): Part[] {
  if (author.role === "assistant" && recipient !== undefined && recipient !== "all") return [];
  switch (content.content_type ?? "") {
    case "text":
      return say(
        "text",
        list(content["parts"]).map((part) => (typeof part === "string" ? part : undefined)),
      );
    case "multimodal_text":
      return say("text", list(content["parts"]).map(mediaText));
    case "code": {
      const code = stringOf(content, "text");
      const language = stringOf(content, "language") ?? "";
      const fence = "`".repeat(Math.max(3, ...[...(code ?? "").matchAll(/`+/g)].map(([run]) => run.length + 1)));
      return code === undefined
        ? []
        : [{ type: "text", text: `${fence}${language === "unknown" ? "" : language}\n${code}\n${fence}` }];
    }
    case "thoughts":
      return say(
        "reasoning",
        list(content["thoughts"]).flatMap((thought) => [stringOf(thought, "summary"), stringOf(thought, "content")]),
      );
    default:
      return [];
  }
}

/** A part that is no text: its words where it has any, else that it was there. Its bytes are not in the document. */
function mediaText(part: unknown): string | undefined {
  if (typeof part === "string") return part;
  const spoken = stringOf(part, "text");
  if (spoken !== undefined) return spoken;
  const name = stringOf(part, "asset_pointer");
  return name === undefined ? undefined : missing(name);
}
