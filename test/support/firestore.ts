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
