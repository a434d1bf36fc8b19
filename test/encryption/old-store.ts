// Owns a store as the version without encryption left it, and what has to be read from it afterwards. Writes rows by hand.
import { DatabaseSync } from "node:sqlite";
import { applicationId, migrations } from "../../src/adapters/embedded/schema.ts";
import type { Event, Message } from "../../src/protocol/index.ts";
import { appended, at, turn, userMessage } from "../contract/rows.ts";

/** Every text in it that a person or a model wrote contains this. */
export const canary = "kanarienvogel";

const asked = userMessage("m-0", null, `${canary} asked`);
const reply: Message = { id: "m-1", role: "assistant", parts: [], metadata: { createdAt: at, parent: "m-0" } };
const pieces = [`${canary} one, `, `${canary} two, `, `${canary} three`];
const piece = (n: number): Event => {
  const offset = pieces.slice(0, n).join("").length;
  return appended(offset, pieces[n] ?? "", { turn: "t-1", message: "m-1" });
};
const started: Event = { kind: "turn.started", at, turn: "t-1", message: "m-1", parent: "m-0", model: "demo" };

/** The log of `c-0`: a message, and a reply that is being made: its first two pieces are merged, the third is in the tail. */
export const events: readonly Event[] = [
  { kind: "conversation.created", at, title: canary },
  { kind: "message.created", at, message: asked },
  started,
  piece(0),
  piece(1),
  piece(2),
];
export const messages: readonly Message[] = [asked, reply];
export const user = { id: "user_1", issuer: '"i"', subject: '"s"', name: canary };
export const answer = { user: "ada", id: 'k-"1"', hash: `${canary}-hash`, value: { seq: 2, canary } };

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** Writes the file, with `spare` more conversations, and deleted rows whose pages are free. */
export function writeOldStore(file: string, spare = 0): void {
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode = WAL; BEGIN");
  for (const statement of migrations[0] ?? []) db.exec(statement);
  db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1`);
  db.exec("UPDATE store SET epoch = 'e', commits = 3");
  const conversation = db.prepare(
    "INSERT INTO conversations (cid, id, user, title, created_at, updated_at, head, newest, archived, deleted) VALUES (?, ?, 'ada', ?, 1, ?, ?, ?, 0, 0)",
  );
  const entry = db.prepare("INSERT INTO entries (cid, last, first, cuts, body) VALUES (?, ?, ?, ?, ?)");
  const message = db.prepare("INSERT INTO messages (cid, id, parent, open_since, body) VALUES (?, ?, ?, ?, ?)");
  conversation.run(1, "c-0", json(canary), 9, 5, "m-1");
  events.slice(0, 3).forEach((event, i) => entry.run(1, i + 1, i + 1, null, json(event)));
  const merged = appended(0, `${pieces[0]}${pieces[1]}`, { turn: "t-1", message: "m-1" });
  entry.run(
    1,
    5,
    4,
    JSON.stringify([pieces[0]?.length, merged.kind === "reply.appended" && merged.text.length]),
    json(merged),
  );
  db.prepare("INSERT INTO tail (place, cid, last, turn, length, body) VALUES (1, 1, 6, 't-1', ?, ?)").run(
    pieces.join("").length,
    json(piece(2)),
  );
  message.run(1, "m-0", null, null, json(asked));
  message.run(1, "m-1", "m-0", 3, json(reply));
  const { model, owner, fence, leaseUntil } = turn();
  db.prepare(
    `INSERT INTO turns (cid, id, user, message, parent, model, status, owner, fence, lease_until, attempts, stalls, length,
     attempt_length, started_seq, finished_seq, settled, length_seq, covered_seq)
     VALUES (1, 't-1', 'ada', 'm-1', 'm-0', ?, 'running', ?, ?, ?, 1, 0, 0, 0, 3, NULL, 0, 5, 5)`,
  ).run(model, owner, fence, leaseUntil);
  db.prepare("INSERT INTO answers (user, key, hash, at, body) VALUES (?, ?, ?, 1, ?)").run(
    answer.user,
    JSON.stringify(answer.id),
    answer.hash,
    json(answer.value),
  );
  const { id, issuer, subject, name } = user;
  db.prepare("INSERT INTO users (id, issuer, subject, name, created_at) VALUES (?, ?, ?, ?, 1)").run(
    id,
    issuer,
    subject,
    json(name),
  );
  db.prepare(
    "INSERT INTO sessions (id, user, token_hash, created_at, last_seen_at, revoked_at, client) VALUES ('s', ?, 'h', 1, 1, NULL, ?)",
  ).run(id, json(canary));
  for (let n = 1; n <= spare; n++) {
    const cid = n + 1;
    conversation.run(cid, `c-${n}`, n % 5 === 0 ? null : json(`${canary} ${n}`), 1, 2, "m-0");
    entry.run(cid, 1, 1, null, json(events[0]));
    entry.run(cid, 2, 2, null, json(events[1]));
    message.run(
      cid,
      "m-0",
      null,
      null,
      json({ ...asked, parts: [{ type: "text", text: `${canary} `.repeat(n % 400) }] }),
    );
  }
  db.exec("COMMIT");
  // Free pages that still have their text.
  db.exec("PRAGMA secure_delete = OFF; CREATE TABLE gone (text TEXT)");
  const gone = db.prepare("INSERT INTO gone VALUES (?)");
  for (let n = 0; n < 50; n++) gone.run(`${canary} gone `.repeat(100));
  db.exec("DROP TABLE gone");
  db.close();
}
