// A view over plain rows, for tests of decisions.
import type { ConversationRecord, FileRecord, MessageRecord, TurnRecord, View } from "../../src/domain/records.ts";
import { defaultLimits } from "../../src/protocol/index.ts";
import type { Context } from "../../src/domain/turn.ts";

export const ids = {
  conversation: "00000000-0000-7000-8000-000000000001",
  message: "00000000-0000-7000-8000-000000000002",
  other: "00000000-0000-7000-8000-000000000003",
  turn: "00000000-0000-7000-8000-000000000004",
  reply: "00000000-0000-7000-8000-000000000005",
};

export const context: Context = {
  user: "ann",
  now: 1_000,
  turn: ids.turn,
  reply: ids.reply,
  model: "demo",
  owner: "node-1",
  leaseUntil: 10_000,
  limits: defaultLimits,
};

export const conversation = (more: Partial<ConversationRecord> = {}): ConversationRecord => ({
  id: ids.conversation,
  user: "ann",
  createdAt: 0,
  updatedAt: 0,
  head: 7,
  newest: null,
  archived: false,
  deleted: false,
  ...more,
});

export const turnRow = (more: Partial<TurnRecord> = {}): TurnRecord => ({
  id: ids.turn,
  conversation: ids.conversation,
  user: "ann",
  message: ids.reply,
  parent: ids.message,
  model: "demo",
  status: "running",
  owner: "node-1",
  fence: 1,
  leaseUntil: 10_000,
  attempts: 1,
  stalls: 0,
  length: 0,
  attemptLength: 0,
  startedSeq: 3,
  finishedSeq: null,
  settled: false,
  ...more,
});

export const userRow = (id: string, parent: string | null = null): MessageRecord => ({
  message: { id, role: "user", parts: [{ type: "text", text: "hi" }], metadata: { createdAt: "x", parent } },
});

export const replyRow = (id: string, more: Partial<MessageRecord> = {}): MessageRecord => ({
  message: {
    id,
    role: "assistant",
    parts: [],
    metadata: { createdAt: "x", parent: ids.message, turn: ids.turn, status: "running", model: "demo" },
  },
  openSince: 3,
  ...more,
});

export function viewOf(rows: {
  conversation?: ConversationRecord;
  messages?: readonly MessageRecord[];
  turns?: readonly TurnRecord[];
  files?: readonly FileRecord[];
}): View {
  const { messages = [], turns = [], files = [] } = rows;
  return {
    conversation: rows.conversation,
    running: turns.filter((turn) => turn.status === "running"),
    message: (id) => messages.find((record) => record.message.id === id),
    turn: (id) => turns.find((turn) => turn.id === id),
    file: (id) => files.find((file) => file.id === id),
  };
}
