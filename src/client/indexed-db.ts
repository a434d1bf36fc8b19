// Owns the outbox in IndexedDB, with memory behind it where the browser refuses. It must not know what an item means.
import { memoryStore, type OutboxItem, type OutboxStore } from "./outbox-store.ts";

const table = "outbox";

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
  });

function open(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: "id" });
  return settled(request).then((database) => {
    database.onversionchange = () => database.close();
    return database;
  });
}

/** Whatever fails here (private mode, a full disk, a closed database) goes on in memory, which knows the same: the message still goes out. */
export function indexedDbStore(name: string): OutboxStore {
  const memory = memoryStore();
  let opened: Promise<IDBDatabase> | undefined;
  let broken = false;

  /** Runs `act` in one transaction and resolves once it is committed. */
  const transact = async <T>(
    mode: IDBTransactionMode,
    act: (store: IDBObjectStore) => Promise<T>,
    instead: () => Promise<T>,
  ): Promise<T> => {
    if (broken) return instead();
    try {
      const database = await (opened ??= open(name));
      const transaction = database.transaction(table, mode);
      const done = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB"));
      });
      const [result] = await Promise.all([act(transaction.objectStore(table)), done]);
      return result;
    } catch {
      broken = true;
      return instead();
    }
  };

  return {
    get durable() {
      return !broken;
    },
    async all() {
      const items = await transact(
        "readonly",
        (store) => settled<OutboxItem[]>(store.getAll()),
        () => memory.all(),
      );
      for (const item of items) await memory.put(item);
      return items;
    },
    async put(item) {
      void memory.put(item);
      await transact("readwrite", async (store) => void (await settled(store.put(item))), nothing);
    },
    async update(id, change) {
      const find = async (store: IDBObjectStore): Promise<OutboxItem | undefined> => {
        const item = await settled<OutboxItem | undefined>(store.get(id));
        const next = item === undefined ? undefined : (change(item) ?? item);
        if (next !== undefined && next !== item) await settled(store.put(next));
        return next;
      };
      const next = await transact("readwrite", find, () => memory.update(id, change));
      if (next !== undefined) await memory.put(next);
      return next;
    },
    async remove(id) {
      await memory.remove(id);
      await transact("readwrite", async (store) => settled(store.delete(id)), nothing);
    },
  };
}

const nothing = (): Promise<undefined> => Promise.resolve(undefined);
