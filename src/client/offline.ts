// Owns the part of the SDK that not every page needs: showing what was last seen before the server has spoken (`throughline/offline`).
import { indexedDbKept } from "./indexed-db.ts";
import { createKept, type MakeKept } from "./kept.ts";

/** For `createClient({ offline })`: keeps the list and the newest of recent conversations in IndexedDB, for the same person alone. */
export const offline: MakeKept = ({ clock, kept }, name) =>
  createKept({ clock, kept: kept ?? (typeof indexedDB === "undefined" ? undefined : indexedDbKept(name)) });
