// Owns one question and its whole reply, judged against what the model says. Disturbs nothing.
import { expectedText } from "../support/model-server.ts";
import type { Ledger } from "./ledger.ts";
import type { Member } from "./member.ts";

export type Asked = {
  readonly seed: number;
  readonly chars: number;
  /** More of the directive, as `rate=100 piece=4`. */
  readonly how?: string;
};

/** Asks, waits for the end, and counts whatever is not as it should be. undefined: refused, or it never ended. */
export async function wholeReply(
  member: Member,
  ledger: Ledger,
  conversation: string,
  { seed, chars, how = "" }: Asked,
): Promise<string | undefined> {
  const sent = await member.send(conversation, `seed=${seed} chars=${chars} ${how}`);
  if (sent.type !== "ack") {
    ledger.bad("lost", `${member.name} was refused: ${JSON.stringify(sent)}`);
    return undefined;
  }
  const view = member.views.get(conversation) ?? (await member.follow(conversation));
  const [turn, reply] = [String(sent["turn"]), String(sent["reply"])];
  if (!(await member.until(() => view.finished.has(turn), `the end of reply ${seed}`))) return undefined;
  const [status, text] = [view.status(reply), view.text(reply)];
  if (status !== "completed" || text !== expectedText(seed, chars))
    ledger.bad("torn", `${member.name}: reply ${seed} is ${String(status)} with ${text.length} of ${chars} characters`);
  return reply;
}
