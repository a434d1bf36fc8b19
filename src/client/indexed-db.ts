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

/** Whatever fails here (private mode, a full disk, a closed database) is done in memory instead: the message still goes out. */
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
    all: () => transact("readonly", (store) => settled<OutboxItem[]>(store.getAll()), memory.all),
    put: (item) =>
      transact(
        "readwrite",
        async (store) => void (await settled(store.put(item))),
        () => memory.put(item),
      ),
    update: (id, change) =>
      transact(
        "readwrite",
        async (store) => {
          const item = await settled<OutboxItem | undefined>(store.get(id));
          const next = item === undefined ? undefined : (change(item) ?? item);
          if (next !== undefined && next !== item) await settled(store.put(next));
          return next;
        },
        () => memory.update(id, change),
      ),
    remove: (id) =>
      transact(
        "readwrite",
        async (store) => settled(store.delete(id)),
        () => memory.remove(id),
      ),
  };
}
