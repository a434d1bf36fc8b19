// Owns firebase-admin, in a thread of its own: it rejects unhandled where credentials are missing and waits without end where the
// service is away, and neither may reach the server. Gives the few fields that are asked for; an address or a profile stays here.
import { parentPort, workerData } from "node:worker_threads";
import type { Auth } from "firebase-admin/auth";
import type { CollectionReference, DocumentSnapshot, Firestore } from "firebase-admin/firestore";
import type { Account, Answer, Question, Row, Setup } from "./firestore-link.ts";

/** Status of gRPC for a document that is there already. Source: grpc.github.io, status codes. */
const alreadyExists = 6;
/** Accounts that one question to Firebase Auth may name. Source: firebase.google.com, Admin SDK, getUsers. */
const accountsAtOnce = 100;

const port = parentPort;
const setup: Setup = workerData;
if (setup.emulator !== undefined) {
  process.env["FIRESTORE_EMULATOR_HOST"] = setup.emulator;
  // An emulator needs no credentials: nobody looks for Google's machines.
  process.env["METADATA_SERVER_DETECTION"] = "none";
}
if (setup.authEmulator !== undefined) process.env["FIREBASE_AUTH_EMULATOR_HOST"] = setup.authEmulator;

async function open(): Promise<{ db: Firestore; people: CollectionReference; auth: Auth | undefined; stamp: unknown }> {
  const { initializeApp } = await import("firebase-admin/app");
  const { getFirestore, FieldValue } = await import("firebase-admin/firestore");
  const app = initializeApp({ projectId: setup.project });
  const db = getFirestore(app);
  const auth = setup.accounts ? (await import("firebase-admin/auth")).getAuth(app) : undefined;
  return { db, people: db.collection("users"), auth, stamp: FieldValue.serverTimestamp() };
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** A Timestamp, a number of milliseconds or a date's text, in milliseconds since 1970. */
function timeOf(value: unknown): number | undefined {
  const time =
    typeof value === "object" && value !== null && "toMillis" in value && typeof value.toMillis === "function"
      ? Number(value.toMillis())
      : typeof value === "string"
        ? Date.parse(value)
        : value;
  return typeof time === "number" && Number.isFinite(time) ? time : undefined;
}

function rowOf(document: DocumentSnapshot, account: Account | undefined): Row {
  if (!document.exists) return { exists: false };
  return {
    exists: true,
    disabled: document.get("disabled") === true,
    displayName: textOf(document.get("displayName")),
    name: textOf(document.get("name")),
    nameFromToken: document.get("nameFrom") === "token",
    validAfter: timeOf(document.get("tokensValidAfterTime")),
    account,
  };
}

async function main(): Promise<void> {
  const { db, people, auth, stamp } = await open();

  const accountsOf = async (ids: readonly string[]): Promise<Map<string, Account>> => {
    const found = new Map<string, Account>();
    if (auth === undefined) return found;
    for (let from = 0; from < ids.length; from += accountsAtOnce) {
      const some = ids.slice(from, from + accountsAtOnce);
      const { users } = await auth.getUsers(some.map((uid) => ({ uid })));
      for (const id of some) found.set(id, "none");
      for (const { uid, disabled, tokensValidAfterTime } of users) {
        found.set(uid, { disabled, validAfter: timeOf(tokensValidAfterTime) });
      }
    }
    return found;
  };

  const answer = async (question: Question): Promise<Answer> => {
    switch (question.ask) {
      case "read": {
        const { ids } = question;
        const [documents, accounts] = await Promise.all([
          db.getAll(...ids.map((id) => people.doc(id))),
          accountsOf(ids.filter((id) => !id.startsWith("~"))),
        ]);
        return { rows: documents.map((document: DocumentSnapshot) => rowOf(document, accounts.get(document.id))) };
      }
      case "create": {
        const name = question.name === undefined ? {} : { name: question.name, nameFrom: "token" };
        try {
          await people.doc(question.id).create({ ...name, createdAt: stamp });
        } catch (error) {
          const there = error instanceof Error && "code" in error && error.code === alreadyExists;
          if (!there) throw error;
        }
        return { rows: [] };
      }
      case "rename":
        await people.doc(question.id).update({ name: question.name, nameFrom: "token" });
        return { rows: [] };
      default:
        return question satisfies never;
    }
  };

  port?.on("message", (question: Question) => {
    answer(question).then(
      ({ rows }) => port.postMessage({ number: question.number, rows }),
      (error: unknown) => {
        const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
        port.postMessage({ number: question.number, failed: code });
      },
    );
  });
  port?.postMessage("ready");
}

await main();
