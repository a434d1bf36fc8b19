// Owns what a model is given for the files in messages: pictures as they are, texts as text, and words for what it cannot be given.
import { isRejection } from "../domain/records.ts";
import type { ContextPart } from "../domain/context.ts";
import { fileIdOf, type Message } from "../protocol/index.ts";
import { pictures } from "./file-kinds.ts";
import { BrokenFile, type KeyedFile, type Model } from "./ports.ts";
import type { Shelf } from "./shelf.ts";

/** Characters of one text file that a model is given; the rest is cut off, and the model is told. */
const textLength = 100_000;
/** Pictures of one call, and bytes of them together. Providers refuse more. */
const most = { pictures: 20, pictureBytes: 20 * 1024 * 1024 };

const mostWordless = 1000;

export type AttachmentReader = (
  user: string,
  path: readonly Message[],
  model: Pick<Model, "capabilities">,
  budget: number,
) => Promise<ReadonlyMap<string, ContextPart>>;

const said = (name: string, what: string): ContextPart => ({
  type: "text",
  text: `[File ${JSON.stringify(name)}: ${what}]\n\n`,
});

/** Reads the files of a path for one call, the newest message's first, within `budget` characters. */
export function createAttachmentReader(
  shelf: Pick<Shelf, "find" | "read">,
  textOfPdf: (bytes: AsyncIterable<Uint8Array>) => Promise<string | undefined>,
): AttachmentReader {
  /** Hashes of PDFs that had no words for us: they are not worked on again for every reply. Newest last. */
  const wordless = new Set<string>();
  const wordsOf = async (file: KeyedFile): Promise<string | undefined> => {
    if (wordless.has(file.sha256)) return undefined;
    const words = await textOfPdf(shelf.read(file));
    if (words !== undefined) return words;
    wordless.add(file.sha256);
    const [oldest] = wordless;
    if (wordless.size > mostWordless && oldest !== undefined) wordless.delete(oldest);
    return undefined;
  };
  const textOf = async (file: KeyedFile): Promise<string | undefined> => {
    if (file.mediaType === "application/pdf") return wordsOf(file);
    // UTF-8 has four bytes a character at most; one of them may be cut in its middle.
    const end = Math.min(file.bytes, textLength * 4);
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of shelf.read(file, { start: 0, end })) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > textLength) break;
    }
    return text;
  };

  return async (user, path, model, budget) => {
    const found = new Map<string, ContextPart>();
    const left = { ...most, characters: budget };
    const give = async (file: KeyedFile): Promise<ContextPart> => {
      const { name, mediaType, bytes } = file;
      if (pictures.has(mediaType)) {
        if (!model.capabilities.images) return said(name, "a picture, which this model cannot see");
        if (left.pictures < 1 || left.pictureBytes < bytes) return said(name, "a picture, left out for its size");
        left.pictures--;
        left.pictureBytes -= bytes;
        const data = [];
        for await (const part of shelf.read(file)) data.push(part);
        return { type: "image", mediaType, data: Buffer.concat(data) };
      }
      const text = await textOf(file);
      if (text === undefined || text === "") return said(name, "no text could be read from it");
      const room = Math.min(textLength, left.characters);
      if (room < 1) return said(name, "left out for its length");
      const shown = text.slice(0, room).toWellFormed();
      left.characters -= shown.length;
      const cut = shown.length < text.length ? `\n[Cut off after ${shown.length} characters.]` : "";
      return { type: "text", text: `[File ${JSON.stringify(name)}]\n${shown}${cut}\n[End of the file]\n\n` };
    };
    // One file that is damaged, or missing after a restore, takes no reply away.
    const giveOr = async (name: string, file: KeyedFile): Promise<ContextPart> => {
      try {
        return await give(file);
      } catch (error) {
        if (error instanceof BrokenFile) return said(name, "it cannot be read any more");
        throw error;
      }
    };
    for (const message of path.toReversed()) {
      for (const part of message.parts) {
        if (part.type !== "file" || typeof part.url !== "string" || found.has(part.url)) continue;
        const name = typeof part.filename === "string" ? part.filename : "file";
        const file = await shelf.find(user, fileIdOf(part.url) ?? "");
        found.set(part.url, isRejection(file) ? said(name, "no longer there") : await giveOr(name, file));
      }
    }
    return found;
  };
}
