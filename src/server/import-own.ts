// Owns the reading of our own JSON export. Pure. What it says of other people and of files that are not here is left out.
import * as v from "valibot";
import type { ImportedConversation } from "../domain/imported.ts";
import { commandSchemas, stamp, turnStatus, type Message, type Part } from "../protocol/index.ts";
import { exportFormat } from "./export.ts";
import { cleanTitle, keptParts, missing, timeOf, type ImportContext } from "./import-parts.ts";

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const schema = v.object({
  format: v.literal(exportFormat),
  version: v.literal(1),
  id,
  title: v.optional(v.string()),
  createdAt: v.string(),
  updatedAt: v.string(),
  archived: v.optional(v.boolean()),
  messages: v.array(
    v.object({
      id,
      role: v.picklist(["user", "assistant"]),
      parts: v.array(v.looseObject({ type: v.string() })),
      metadata: v.object({
        createdAt: v.string(),
        parent: v.nullable(id),
        status: v.optional(turnStatus),
        model: v.optional(v.pipe(v.string(), v.maxLength(200))),
        editOf: v.optional(id),
        reactions: v.optional(v.record(v.string(), v.array(v.string()))),
      }),
    }),
  ),
});

export const isOwn = (value: unknown): boolean => v.is(v.object({ format: v.literal(exportFormat) }), value);

/** undefined: it is not what it says it is. */
export function readOwn(value: unknown, context: ImportContext): ImportedConversation | undefined {
  const read = v.safeParse(schema, value);
  if (!read.success) return undefined;
  const { output } = read;
  const createdAt = timeOf(output.createdAt, context);
  const known = new Set<string>();
  const messages: Message[] = [];
  for (const { id, role, parts, metadata } of output.messages) {
    // The first of two counts; a parent comes before its children.
    if (known.has(id)) continue;
    known.add(id);
    const { parent, status, model, editOf } = metadata;
    const reactions = reactionsOf(metadata.reactions ?? {}, context);
    messages.push({
      id: context.idOf(id),
      role,
      parts: keptParts(parts.map(partOf), role, context),
      metadata: {
        createdAt: stamp(timeOf(metadata.createdAt, context, createdAt)),
        parent: parent !== null && known.has(parent) && parent !== id ? context.idOf(parent) : null,
        // What was being made then is made by nobody now.
        ...(role === "assistant" ? { status: status === "running" ? "interrupted" : (status ?? "completed") } : {}),
        ...(model === undefined ? {} : { model }),
        ...(editOf !== undefined && known.has(editOf) ? { editOf: context.idOf(editOf) } : {}),
        ...(Object.keys(reactions).length === 0 ? {} : { reactions }),
      },
    });
  }
  return {
    source: output.id,
    title: cleanTitle(output.title),
    createdAt,
    updatedAt: timeOf(output.updatedAt, context, createdAt),
    archived: output.archived ?? false,
    messages,
  };
}

/** Text and addresses are kept; of a file, and of what only another server knows, the word that it was there. */
function partOf(part: { readonly type: string } & Readonly<Record<string, unknown>>): Part {
  const { type, text, url, title, filename } = part;
  if ((type === "text" || type === "reasoning") && typeof text === "string") return { type, text };
  if (type === "source-url" && typeof url === "string" && /^https?:\/\//i.test(url)) {
    return { type, url, sourceId: url, ...(typeof title === "string" ? { title } : {}) };
  }
  const name = typeof filename === "string" ? filename : type;
  return { type: "text", text: missing(name) };
}

/** Whoever reacted there, here it is who imports. */
function reactionsOf(
  given: Readonly<Record<string, readonly string[]>>,
  { user, limits }: ImportContext,
): Record<string, string[]> {
  const emoji = Object.entries(given).filter(
    ([name, users]) => users.length > 0 && v.is(commandSchemas["message.react"].entries.reaction, name),
  );
  return Object.fromEntries(emoji.slice(0, limits.reactions).map(([name]) => [name, [user]]));
}
