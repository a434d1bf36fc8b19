// Owns which command of a signed-in socket goes where, and its answer. It holds nothing: the socket does.
import type { Speaker } from "../domain/session.ts";
import { isChanging } from "../domain/decide.ts";
import { isRejection } from "../domain/records.ts";
import { reject, stamp, type CloseCode, type Command, type Limits, type Rejection } from "../protocol/index.ts";
import type { Account, AccountCommand } from "./account.ts";
import type { Commands } from "./commands.ts";
import type { Entry } from "./entrance.ts";
import type { Clock } from "./ports.ts";
import type { Readers } from "./readers.ts";
import type { Doorman } from "./sessions.ts";

/** A socket, as its commands see it. */
export type Hearing = {
  readonly options: {
    readonly account: Account;
    readonly clock: Clock;
    readonly commands: Commands;
    readonly doorman: Doorman;
    readonly limits: Limits;
  };
  readonly entry: Pick<Entry, "command" | "key">;
  readonly readers: Readers;
  answer(id: string, result: object | Rejection): void;
  answerError(id: string | undefined, rejection: Rejection): void;
  /** A frame that answers no command. */
  tell(frame: string): void;
  /** Something new is known of who speaks. */
  know(speaker: Speaker): void;
  /** Rows of the list are wanted from now on. */
  listen(): void;
  isClosed(): boolean;
  close(code: CloseCode): void;
};

type Listed = { readonly conversation: string; readonly seq?: number | undefined; readonly epoch?: string | undefined };

/** Opens a conversation for reading. Without `id` it was named in `auth`: only what goes wrong is told. */
export async function openOne(to: Hearing, user: string, item: Listed, id: string | undefined): Promise<void> {
  const { limits, commands } = to.options;
  if (!to.readers.has(item.conversation) && to.readers.count() >= limits.openConversations) {
    const detail = `At most ${limits.openConversations} conversations may be open at once.`;
    return to.answerError(id, reject("too_large", { field: "conversation", detail }));
  }
  const found = await commands.open(user, item);
  if (to.isClosed()) return;
  if (isRejection(found)) {
    if (id !== undefined) to.answerError(id, found);
    else to.tell(JSON.stringify({ type: "error", error: found, conversation: item.conversation }));
    return;
  }
  if (id !== undefined) to.answer(id, found.answer);
  to.readers.open(found.opening);
}

/** Does what a command says, and answers it. What it throws is a fault of the store, or ours. */
export async function dispatch(
  to: Hearing,
  command: Exclude<Command, { type: "auth" }>,
  speaker: Speaker,
): Promise<void> {
  const { doorman, commands, clock } = to.options;
  const { user } = speaker;
  const refused = to.entry.command(command);
  if (refused !== undefined) return to.answerError(command.id, refused);
  if (command.type !== "ping") to.know(doorman.seen(speaker));
  if (isChanging(command)) return to.answer(command.id, await commands.change(user, command, to.entry.key));
  switch (command.type) {
    case "ping":
      return to.answer(command.id, { now: stamp(clock.now()) });
    case "auth.refresh":
    case "auth.logout":
    case "session.list":
    case "session.revoke":
      return handleAccount(to, command, speaker);
    case "conversation.list":
      to.listen();
      return to.answer(command.id, await commands.list(user, command));
    case "conversation.history":
      return to.answer(command.id, await commands.history(user, command));
    case "conversation.open":
      return openOne(to, user, command, command.id);
    case "conversation.close": {
      const found = await commands.open(user, command);
      to.readers.close(command.conversation);
      return to.answer(command.id, isRejection(found) ? found : {});
    }
    default:
      return command satisfies never;
  }
}

async function handleAccount(to: Hearing, command: AccountCommand, speaker: Speaker): Promise<void> {
  const done = await to.options.account.handle(command, speaker);
  if (done.speaker !== undefined) to.know(done.speaker);
  to.answer(command.id, done.answer);
  done.after?.publish();
  if (done.after?.leaves === true) to.close(4410);
}
