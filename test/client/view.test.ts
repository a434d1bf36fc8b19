// Proves what is shown of a conversation: the way through its branches, what is on its way, and that nothing moves without cause.
import fc from "fast-check";
import { expect, test } from "vitest";
import { rowsOf } from "../../src/client/conversations.ts";
import { createDrafts } from "../../src/client/drafts.ts";
import { uuidAt } from "../../src/client/environment.ts";
import { createCell, memoryLocal } from "../../src/client/index.ts";
import type { Pending } from "../../src/client/outbox.ts";
import { findPath, growTree } from "../../src/client/thread.ts";
import { createViewer, type ViewInput } from "../../src/client/view.ts";
import { emptyConversation } from "../../src/domain/conversation.ts";
import type { Message } from "../../src/protocol/index.ts";

const messageOf = (id: string, parent: string | null, role: Message["role"] = "user"): Message => ({
  id,
  role,
  parts: [{ type: "text", text: id }],
  metadata: { createdAt: "", parent },
});
const path = (messages: Message[], choices: Record<string, string> = {}): string =>
  findPath(growTree(messages), messages, new Map(Object.entries(choices))).join(" ");

const tree = [
  messageOf("u1", null),
  messageOf("r1", "u1", "assistant"),
  messageOf("u2", "r1"),
  messageOf("r2", "u2", "assistant"),
  messageOf("u1b", null),
  messageOf("r1b", "u1b", "assistant"),
];

test("RE9 the branch with the newest message is shown, unless another was chosen", () => {
  expect(path(tree)).toBe("u1b r1b");
  expect(path(tree, { "": "u1" })).toBe("u1 r1 u2 r2");
  // Somebody went on in the older branch: that one is the newest now.
  expect(path([...tree, messageOf("u3", "r2")])).toBe("u1 r1 u2 r2 u3");
  expect(path([...tree, messageOf("r2b", "u2", "assistant")], { "": "u1", u2: "r2" })).toBe("u1 r1 u2 r2");
  expect(path(tree, { "": "not loaded" })).toBe("u1b r1b");
  expect(path([])).toBe("");
});

test("RE9 with older pages not loaded the way begins at the oldest loaded message of the newest branch", () => {
  expect(path(tree.slice(2, 4))).toBe("u2 r2");
  expect(path([messageOf("x", "gone"), messageOf("y", "lost"), messageOf("z", "y", "assistant")])).toBe("y z");
});

test("RE9 whatever the tree: the way goes down from parent to child, to a leaf, and holds every choice on it", () => {
  const aTree = fc
    .array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 30 })
    .map((parents) =>
      parents.map((parent, i) => messageOf(`m${i}`, i === 0 || parent % 7 === 0 ? null : `m${parent % i}`)),
    );
  fc.assert(
    fc.property(aTree, fc.nat(), (messages, pick) => {
      const chosen = messages[pick % messages.length] ?? messageOf("", null);
      const choices = new Map<string, string>();
      for (let at: Message | undefined = chosen; at !== undefined;) {
        const parent: string | null = at.metadata.parent;
        choices.set(parent ?? "", at.id);
        at = messages.find((one) => one.id === parent);
      }
      const ids = findPath(growTree(messages), messages, choices);
      expect(ids).toContain(chosen.id);
      for (const [i, id] of ids.entries()) {
        expect(messages.find((one) => one.id === id)?.metadata.parent ?? undefined).toBe(ids[i - 1]);
      }
      expect(messages.some((one) => one.metadata.parent === ids.at(-1))).toBe(false);
    }),
  );
});

const pendingOf = (message: string, more: Partial<Pending> = {}): Pending => ({
  id: message,
  order: 1,
  user: "me",
  owner: "tab",
  conversation: "c",
  message,
  parts: [{ type: "text", text: message }],
  createdAt: 0,
  status: "waiting",
  ...more,
});
const inputOf = (messages: Message[], pending: Pending[], more: Partial<ViewInput["state"]> = {}): ViewInput => ({
  id: "c",
  status: "live",
  state: { ...emptyConversation, messages, ...more },
  choices: new Map(),
  pending,
  loadingMore: false,
});
const shown = (input: ViewInput): [string[], string[]] => {
  const { entries, queued } = createViewer()(input);
  return [entries.map((entry) => entry.message.id), queued.map((item) => item.message)];
};

test("RE4 a message stands in the conversation from the moment it is sent; those behind it, or behind a reply, are queued", () => {
  const talk = tree.slice(0, 2);
  const [a, b] = [pendingOf("a"), pendingOf("b")];
  expect(shown(inputOf(talk, [a, b]))).toEqual([["u1", "r1", "a"], ["b"]]);
  const turns = [{ turn: "t", message: "r1", attempt: 1 }];
  expect(shown(inputOf(talk, [a, b], { turns }))).toEqual([
    ["u1", "r1"],
    ["a", "b"],
  ]);
  expect(shown(inputOf(talk, [pendingOf("a", { status: "failed" }), b]))).toEqual([["u1", "r1", "a", "b"], []]);
  // Its event is there, its ack not yet: it is shown once.
  expect(shown(inputOf(talk, [pendingOf("u1", { status: "sending" })]))).toEqual([["u1", "r1"], []]);
});

test("RE4 an edit stands in the place of what it edits until it is there", () => {
  expect(shown(inputOf(tree.slice(0, 4), [pendingOf("e", { editOf: "u2" })]))).toEqual([["u1", "r1", "e"], []]);
});

test("RE10 2,000 messages with a reply that grows: a view costs little, and all but the reply keep their identity", () => {
  const messages = Array.from({ length: 2000 }, (_, i) =>
    messageOf(`m${i}`, i === 0 ? null : `m${i - 1}`, i % 2 === 0 ? "user" : "assistant"),
  );
  const view = createViewer();
  const first = view(inputOf(messages, []));
  const before = performance.now();
  for (let i = 0; i < 100; i++) {
    const grown = messages.with(1999, {
      ...messageOf("m1999", "m1998", "assistant"),
      parts: [{ type: "text", text: `${i}` }],
    });
    const next = view(inputOf(grown, []));
    expect(next.entries[1998]).toBe(first.entries[1998]);
    expect(next.entries[1999]).not.toBe(first.entries[1999]);
  }
  // A frame has 16 ms; this is a bound for a machine that is shared.
  expect((performance.now() - before) / 100).toBeLessThan(16);
});

test("RE11 a draft is kept over a reload, taken when it is sent, and forgotten only when its message is kept", () => {
  const local = memoryLocal();
  const nobody = createCell(undefined);
  const drafts = createDrafts(local, "x", nobody);
  drafts.of("c").set("half a thought");
  expect(createDrafts(local, "x", nobody).of("c").getSnapshot()).toBe("half a thought");
  const { text, kept } = drafts.take("c");
  expect([text, drafts.of("c").getSnapshot()]).toEqual(["half a thought", ""]);
  // A crash here brings it back.
  expect(createDrafts(local, "x", nobody).of("c").getSnapshot()).toBe("half a thought");
  kept();
  expect(createDrafts(local, "x", nobody).of("c").getSnapshot()).toBe("");
  drafts.of("c").set("again");
  const second = drafts.take("c");
  drafts.of("c").set("something new");
  second.kept();
  expect(createDrafts(local, "x", nobody).of("c").getSnapshot()).toBe("something new");
});

test("RE12 ids are UUIDs of version 7, in the order in which they were made", () => {
  const made = Array.from({ length: 200 }, (_, i) => uuidAt(1_700_000_000_000 + (i >> 5), Math.random, i));
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...made].sort()).toEqual(made);
  expect(new Set(made).size).toBe(200);
});

test("RE7 rows are let through as the server has them, what was found in them too; a torn one is not, a torn snippet goes", () => {
  const row = { id: "a", createdAt: "1", updatedAt: "1", seq: 1 };
  const snippet = { message: "m", text: "found it", at: [0, 5] };
  const conversations = [
    { ...row, snippet, archived: true, later: "field" },
    { ...row, id: "b", snippet: { text: 1 } },
    { ...row, id: "c", snippet: null },
    { ...row, id: 7 },
    { id: "d" },
    null,
  ];
  expect(rowsOf({ conversations })).toEqual([
    { ...row, snippet, archived: true, later: "field" },
    { ...row, id: "b" },
    { ...row, id: "c" },
  ]);
  expect(rowsOf({})).toEqual([]);
});
