// Owns the list of planted bugs: each one line of src/ that is made wrong. The simulation has to notice every one.

export type Sabotage = {
  readonly name: string;
  readonly file: string;
  /** Must be in the file exactly once. */
  readonly from: string;
  readonly to: string;
};

export const sabotages: readonly Sabotage[] = [
  {
    name: "the fence is not checked",
    file: "domain/turn.ts",
    from: "turn.fence !== claim.fence || ",
    to: "",
  },
  {
    name: "pieces are taken after the end of a turn",
    file: "domain/turn.ts",
    from: ' || turn.status !== "running") {\n    return reject',
    to: ") {\n    return reject",
  },
  {
    name: "an attempt is not counted",
    file: "domain/turn.ts",
    from: "const attempt = turn.attempts + 1;",
    to: "const attempt = turn.attempts;",
  },
  {
    name: "take-ups without progress are not counted",
    file: "domain/turn.ts",
    from: "(progressed ? 0 : turn.stalls + 1)",
    to: "(progressed ? 0 : turn.stalls)",
  },
  {
    name: "a restart keeps the length",
    file: "domain/turn.ts",
    from: 'mode === "restart" ? 0 : turn.length;',
    to: "turn.length;",
  },
  {
    name: "a reply that went on is settled with what was read before",
    file: "domain/turn.ts",
    from: "record.openSince === undefined || continued)",
    to: "record.openSince === undefined || end === Number.POSITIVE_INFINITY)",
  },
  {
    name: "settling loses reactions",
    file: "domain/turn.ts",
    from: "const message = completed(record, entries, view.conversation.head);",
    to: "const message = completed({ ...record, message: { ...record.message, metadata: { ...record.message.metadata, reactions: {} } } }, entries, view.conversation.head);",
  },
  {
    name: "merging is off by one",
    file: "domain/log.ts",
    from: "last: head.first + cuts.length - 1,",
    to: "last: head.first + cuts.length,",
  },
  {
    name: "a merged entry is cut one piece too late",
    file: "domain/log.ts",
    from: "const start = cuts[skipped - 1] ?? 0;",
    to: "const start = cuts[skipped] ?? 0;",
  },
  {
    name: "a surrogate pair is torn",
    file: "domain/batching.ts",
    from: "return torn ? end - 1 : end;",
    to: "return torn ? end : end;",
  },
  {
    name: "the offset does not advance",
    file: "domain/batching.ts",
    from: "run.offset += taken;",
    to: "run.offset += 0;",
  },
  {
    name: "a reader applies over a gap",
    file: "domain/conversation.ts",
    from: 'return from === seq + 1 ? "apply" : "gap";',
    to: 'return from > seq ? "apply" : "gap";',
  },
  {
    name: "a reader applies a frame twice",
    file: "domain/conversation.ts",
    from: 'if (to <= seq) return "drop";\n  return from === seq + 1 ?',
    to: "return from <= seq + 1 ?",
  },
  {
    name: "a restart keeps the parts",
    file: "domain/conversation.ts",
    from: "void (message.parts = [])",
    to: "void message.parts",
  },
  {
    name: "a reply of an older page that goes on is taken for a new one",
    file: "domain/conversation.ts",
    from: "event.continued !== true && ",
    to: "",
  },
  {
    name: "a stop does not look whether the turn runs",
    file: "domain/decide.ts",
    from: 'if (turn.status !== "running") {',
    to: "if (turn.finishedSeq === -1) {",
  },
  {
    name: "the owner of a conversation is not checked",
    file: "domain/decide.ts",
    from: " || record.user !== user\n",
    to: "\n",
  },
  {
    name: "a reaction that is there is added again",
    file: "domain/decide.ts",
    from: "if (users.includes(context.user) === on) return {",
    to: "if (!on && !users.includes(context.user)) return {",
  },
  {
    name: "an edit goes under the message that it edits",
    file: "domain/decide.ts",
    from: "const { parent } = original.metadata;",
    to: "const parent = original.id;",
  },
  {
    name: "a message goes under a reply that is being made",
    file: "domain/decide.ts",
    from: "if (!view.running.some((turn) => turn.message === parent)) return undefined;",
    to: "if (parent !== undefined) return undefined;",
  },
  {
    name: "a message without a parent begins a new branch",
    file: "domain/decide.ts",
    from: "command.parent === undefined ? record.newest : command.parent;",
    to: "command.parent === undefined ? null : command.parent;",
  },
  {
    name: "an answer is given to another command",
    file: "server/committer.ts",
    from: "outcomes[pieces.length + i] ?? failed()",
    to: "outcomes[i] ?? failed()",
  },
  {
    name: "pieces are dropped when the disk is full",
    file: "server/writer.ts",
    from: "if (outcome === undefined) return;",
    to: "if (outcome === undefined) { inflight = undefined; return wake(); }",
  },
  {
    name: "live frames jump over what a reader has not got",
    file: "server/viewer.ts",
    from: "if (from === this.#seq + 1 && this.#options.outlet.push(frame)) {",
    to: "if (from > this.#seq && this.#options.outlet.push(frame)) {",
  },
  {
    name: "catching up skips an entry",
    file: "server/viewer.ts",
    from: "at = group.at(-1)?.last ?? at;",
    to: "at = (group.at(-1)?.last ?? at) + 1;",
  },
  {
    name: "a reader that does not read is left behind",
    file: "server/viewer.ts",
    from: "    this.#catchUp(this.#seq).catch(this.#options.failed);\n",
    to: "",
  },
  {
    name: "a snapshot takes its title from later",
    file: "server/viewer.ts",
    from: "if (record.title !== before.title || record.archived !== before.archived) return this.start();",
    to: "",
  },
  {
    name: "a snapshot tells attempts that no event told",
    file: "server/replies.ts",
    from: "attempt: attemptAt(head, id, entries) }",
    to: "attempt: running.find((turn) => turn.id === id)?.attempts ?? 1 }",
  },
  {
    name: "a snapshot shows what comes after it",
    file: "server/replies.ts",
    from: "const messages = page.messages.map((record) => completed(record, entries, head));",
    to: "const messages = page.messages.map((record) => completed(record, entries, head + 9));",
  },
  {
    name: "a cursor is not honoured",
    file: "server/commands.ts",
    from: "from: known ? seq : undefined",
    to: "from: undefined",
  },
  {
    name: "frames are sent after the close",
    file: "server/outlet.ts",
    from: "  send(frame: string): void {\n    if (this.#closed) return;\n",
    to: "  send(frame: string): void {\n",
  },
  {
    name: "the model is not told of a stop",
    file: "server/turns.ts",
    from: 'bus.publish("turns", { kind: "turn-ended", conversation, turn: event.turn });',
    to: "",
  },
  {
    name: "a finished turn is not settled",
    file: "server/turns.ts",
    from: "settleTurn({ id: event.turn, conversation, message: event.message });",
    to: "",
  },
  {
    name: "a turn that could not be settled is forgotten",
    file: "server/turns.ts",
    from: 'if (!outcome.ok && outcome.rejection.code === "unavailable") clock.after(1000, () => settleTurn(turn));',
    to: "",
  },
  {
    name: "a silent model is waited for",
    file: "server/model-call.ts",
    from: "if (silent >= allowed) return abort(",
    to: "if (silent < 0) return abort(",
  },
  {
    name: "other sockets are not told of a logout",
    file: "server/account.ts",
    from: '{ kind: "session-ended", user, session }',
    to: '{ kind: "row", conversation: "", user }',
  },
  {
    name: "a logout while somebody comes in is missed",
    file: "server/socket.ts",
    from: "if (await doorman.hasEnded(person.session.token)) this.close(4410);",
    to: "",
  },
  {
    name: "a peer that answers nothing is kept",
    file: "server/socket.ts",
    from: "if (this.#missed >= 2) {",
    to: "if (this.#missed >= 2e9) {",
  },
  {
    name: "a row of the list is told but once",
    file: "server/hub.ts",
    from: "      row.cancel = undefined;\n",
    to: "",
  },
  {
    name: "a command that is repeated is done again",
    file: "adapters/memory/commit.ts",
    from: "if (before !== undefined) {",
    to: "if (before !== undefined && disk.commits < 0) {",
  },
  {
    name: "the content of a repeated command is not compared",
    file: "adapters/memory/commit.ts",
    from: "if (before.hash !== key?.hash) return",
    to: 'if (before.hash === "") return',
  },
  {
    name: "commits are answered before they are written",
    file: "adapters/memory/store.ts",
    from: "process.write(() => commitTo(disk, works, clock)),",
    to: "process.write(() => { clock.after(40, () => commitTo(disk, works, clock)); return commitTo(structuredClone(disk), works, clock); }),",
  },
  {
    name: "a take-over keeps the fence",
    file: "adapters/memory/store.ts",
    from: "fence: turn.fence + 1",
    to: "fence: turn.fence",
  },
];
