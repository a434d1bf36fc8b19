// Owns what is kept in IndexedDB: the outbox, with memory behind it where the browser refuses, and what was last seen. It must not know what an item means.
import type { KeptItem, KeptStore } from "./kept.ts";
import { memoryStore, type OutboxItem, type OutboxStore } from "./outbox-store.ts";

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
  });

type Act<T> = (store: IDBObjectStore) => Promise<T>;

/** A database of one table. Resolves once the transaction of `act` is committed. */
function openTable(name: string, table: string): <T>(mode: IDBTransactionMode, act: Act<T>) => Promise<T> {
  const open = async (): Promise<IDBDatabase> => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: "id" });
    const database = await settled(request);
    database.onversionchange = () => database.close();
    return database;
  };
  let opened: Promise<IDBDatabase> | undefined;
  return async (mode, act) => {
    const transaction = (await (opened ??= open())).transaction(table, mode);
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB"));
    });
    const [result] = await Promise.all([act(transaction.objectStore(table)), done]);
    return result;
  };
}

/** Whatever fails here (private mode, a full disk, a closed database) goes on in memory, which knows the same: the message still goes out. */
export function indexedDbStore(name: string): OutboxStore {
  const memory = memoryStore();
  const table = openTable(name, "outbox");
  let broken = false;

  const transact = async <T>(mode: IDBTransactionMode, act: Act<T>, instead: () => Promise<T>): Promise<T> => {
    if (broken) return instead();
    try {
      return await table(mode, act);
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

/** What was last seen. It rejects where the browser refuses: nothing is lost with it. */
export function indexedDbKept(name: string): KeptStore {
  const table = openTable(`${name}/kept`, "kept");
  return {
    all: () => table("readonly", (store) => settled<KeptItem[]>(store.getAll())),
    put: (item) => table("readwrite", (store) => settled(store.put(item))),
    remove: (id) => table("readwrite", (store) => settled(store.delete(id))),
    clear: () => table("readwrite", (store) => settled(store.clear())),
  };
}
