// Owns the files that are on their way into a message: sending, ready or failed, by conversation. It draws nothing.
import { createCell, RequestError, type Client, type Pending, type Readable, type SentPart } from "../client/index.ts";
import { createFiles, type Files, type StoredFile } from "../files/index.ts";
import { thumbnailOf } from "./thumbnail.ts";

export type Upload = {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
  /** A small picture of it, as a `blob:` URL. */
  readonly preview?: string | undefined;
  /** The words of a long paste: they can go back into the box. */
  readonly pasted?: string | undefined;
  readonly state:
    | { readonly kind: "sending"; readonly share: number }
    | { readonly kind: "ready"; readonly file: StoredFile }
    | { readonly kind: "failed"; readonly error: unknown };
};

/** The files beside the box of one conversation. */
export type Uploads = Readable<readonly Upload[]> & {
  /** False: there would be too many for one message. */
  add(files: readonly File[], pasted?: string): boolean;
  retry(key: string): void;
  remove(key: string): void;
  /** Takes away all that are ready, for a message. */
  take(): readonly SentPart[];
  /** Puts the files of a message that was not sent back beside the box. */
  putBack(pending: Pending): void;
};

/** What is known here of a file that was sent from here. */
export type KnownFile = StoredFile & { readonly preview?: string | undefined };

/** Files of one message: the server takes 32 parts. */
export const mostFiles = 20;

type Shelf = { readonly files: Files; readonly known: Map<string, KnownFile>; readonly all: Map<string, Uploads> };
const shelves = new WeakMap<Client, Shelf>();

function shelfOf(client: Client): Shelf {
  const there = shelves.get(client);
  if (there !== undefined) return there;
  const made = { files: createFiles(client), known: new Map<string, KnownFile>(), all: new Map<string, Uploads>() };
  let owner = client.person.getSnapshot();
  // Nothing of one person may be beside the box of another; a guest who has signed in is no other.
  client.person.subscribe(() => {
    const next = client.person.getSnapshot();
    if (owner !== undefined && next?.id !== owner.id && next?.was !== owner.id) {
      for (const uploads of made.all.values()) for (const { key } of uploads.getSnapshot()) uploads.remove(key);
      made.known.clear();
    }
    owner = next;
  });
  shelves.set(client, made);
  return made;
}

export const filesOf = (client: Client): Files => shelfOf(client).files;
export const knownFile = (client: Client, id: string): KnownFile | undefined => shelfOf(client).known.get(id);

/** The files beside the box of a conversation: always the same object. */
export function uploadsOf(client: Client, conversation: string): Uploads {
  const shelf = shelfOf(client);
  const there = shelf.all.get(conversation) ?? createUploads(client, shelf);
  shelf.all.set(conversation, there);
  return there;
}

function createUploads(client: Client, { files, known }: Shelf): Uploads {
  const cell = createCell<readonly Upload[]>([]);
  const sources = new Map<string, { readonly file: File; readonly stop: AbortController }>();

  const change = (key: string, changes: Partial<Upload>): void =>
    cell.set(cell.getSnapshot().map((one) => (one.key === key ? { ...one, ...changes } : one)));
  const find = (key: string): Upload | undefined => cell.getSnapshot().find((one) => one.key === key);

  const send = async (key: string): Promise<void> => {
    const source = sources.get(key);
    if (source === undefined) return;
    change(key, { state: { kind: "sending", share: 0 } });
    const { signal } = source.stop;
    const onProgress = (share: number): void => {
      if (find(key)?.state.kind === "sending") change(key, { state: { kind: "sending", share } });
    };
    try {
      const file = await files.upload(source.file, { signal, onProgress });
      known.set(file.id, { ...file, preview: find(key)?.preview });
      change(key, { name: file.name, state: { kind: "ready", file } });
    } catch (error) {
      if (!signal.aborted) change(key, { state: { kind: "failed", error } });
    }
  };
  const show = async (key: string, file: File): Promise<void> => {
    const preview = await thumbnailOf(file);
    if (preview === undefined) return;
    const upload = find(key);
    if (upload === undefined) return URL.revokeObjectURL(preview);
    change(key, { preview });
    if (upload.state.kind === "ready") known.set(upload.state.file.id, { ...upload.state.file, preview });
  };

  return {
    getSnapshot: cell.getSnapshot,
    subscribe: cell.subscribe,
    add(added, pasted) {
      if (cell.getSnapshot().length + added.length > mostFiles) return false;
      for (const file of added) {
        const key = client.newId();
        sources.set(key, { file, stop: new AbortController() });
        const state = { kind: "sending", share: 0 } as const;
        cell.set([...cell.getSnapshot(), { key, name: file.name, bytes: file.size, pasted, state }]);
        void send(key);
        void show(key, file);
      }
      return true;
    },
    retry: (key) => void send(key),
    remove(key) {
      sources.get(key)?.stop.abort();
      const preview = find(key)?.preview;
      if (preview !== undefined) URL.revokeObjectURL(preview);
      sources.delete(key);
      cell.set(cell.getSnapshot().filter((one) => one.key !== key));
    },
    take() {
      const parts = cell
        .getSnapshot()
        .flatMap(({ state }) => (state.kind === "ready" ? [{ type: "file" as const, file: state.file.id }] : []));
      sources.clear();
      cell.set([]);
      return parts;
    },
    putBack(pending) {
      const back = pending.parts.flatMap((part): Upload[] => {
        const file = part.type === "file" ? known.get(part.file) : undefined;
        if (file === undefined) return [];
        const { name, bytes, preview } = file;
        return [{ key: client.newId(), name, bytes, preview, state: { kind: "ready", file } }];
      });
      cell.set([...back, ...cell.getSnapshot()]);
    },
  };
}

/** Whether sending the same file again may help. */
export const canRetry = (error: unknown): boolean => !(error instanceof RequestError) || error.rejection.retryable;
