// Owns a Firestore emulator for tests: in this process, on a free port of loopback, stopped and started again with its documents.
import { createServer } from "node:net";
import { FirestoreServer } from "@firestore-emulator/server";

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

export type Firestore = { readonly address: string; stop(): void };

export async function startFirestore(port?: number): Promise<Firestore> {
  const server = new FirestoreServer();
  const at = port ?? (await freePort());
  await server.start(at);
  return { address: `127.0.0.1:${at}`, stop: () => server.stop() };
}

/** The documents of `users`, as an operator's own program has them. */
export type Documents = {
  get(id: string): Promise<Record<string, unknown> | undefined>;
  set(id: string, data: Record<string, unknown>): Promise<void>;
  remove(id: string): Promise<void>;
  close(): Promise<void>;
};

export async function openDocuments(project: string, address: string): Promise<Documents> {
  process.env["METADATA_SERVER_DETECTION"] = "none";
  const { deleteApp, initializeApp } = await import("firebase-admin/app");
  const { getFirestore } = await import("firebase-admin/firestore");
  const before = process.env["FIRESTORE_EMULATOR_HOST"];
  process.env["FIRESTORE_EMULATOR_HOST"] = address;
  const app = initializeApp({ projectId: project }, crypto.randomUUID());
  const people = getFirestore(app).collection("users");
  // The address is read when the client is made: here, for this one alone.
  await people.doc("none").get();
  if (before === undefined) delete process.env["FIRESTORE_EMULATOR_HOST"];
  else process.env["FIRESTORE_EMULATOR_HOST"] = before;
  return {
    async get(id) {
      const document = await people.doc(id).get();
      const data: Record<string, unknown> | undefined = document.data();
      return data;
    },
    set: async (id, data) => void (await people.doc(id).set(data)),
    remove: async (id) => void (await people.doc(id).delete()),
    close: () => deleteApp(app),
  };
}
