// Owns the proof of a run: what a person said and was shown, held against the server's log. It reads nothing, it compares.
import type { Message } from "../protocol/index.ts";

/**
 * What must not happen. `gaps`, `mismatches`: frames that did not follow on what was there. `lost`, `doubled`, `changed`:
 * messages or characters, between what was said or shown and the log. `swapped`: messages in another order than they were sent.
 * `extra`: what nobody asked for. `grown`: text behind the end of a reply. `stuck`: a reply that did not end. `unchecked`: a log
 * that could not be read again. `crashed`: the tester itself could not go on with what it got.
 */
export const faults = [
  "gaps",
  "mismatches",
  "lost",
  "doubled",
  "changed",
  "swapped",
  "extra",
  "grown",
  "stuck",
  "unchecked",
  "crashed",
] as const;
export type Fault = (typeof faults)[number];

/** A message that was acked, and the reply that its ack named. */
export type Sent = { readonly message: string; readonly text: string; readonly reply: string };

/** What one person knows of one conversation. */
export type Known = {
  /** In the order in which they were sent. */
  readonly sent: readonly Sent[];
  /** Messages without an answer: they may be there or not. What was refused is not among them. */
  readonly unanswered: ReadonlySet<string>;
  /** A reply's text when its end was shown. */
  readonly ended: ReadonlyMap<string, string>;
  /** The status of a reply, as the ack of its stop said. */
  readonly stopped: ReadonlyMap<string, string>;
  readonly shown: readonly Message[];
  /** What was shown begins with a later page. */
  readonly more: boolean;
};

export type Finding = { readonly fault: Fault; readonly sentence: string };

/** The text of a message, all parts together. */
export const messageText = ({ parts }: Pick<Message, "parts">): string =>
  parts.map((part) => ("text" in part && typeof part.text === "string" ? part.text : "")).join("\n");

/** Everything that is not as it has to be. `log`: the fold of the whole log, messages in its order. */
export function compare(known: Known, log: readonly Message[]): Finding[] {
  const { sent, unanswered } = known;
  const found: Finding[] = [];
  const find = (fault: Fault, sentence: string): void => void found.push({ fault, sentence });
  const asked = new Map(sent.map((one) => [one.message, one.text]));
  const texts = new Set(asked.values());
  const answers = new Set(sent.map(({ reply }) => reply));
  const logged = new Set(log.map(({ id }) => id));

  for (const { message, reply } of sent)
    for (const id of [message, reply]) if (!logged.has(id)) find("lost", `${id} was acked, and is not in the log`);
  for (const message of log) {
    const { id, role, metadata } = message;
    if (role === "user") {
      const text = asked.get(id);
      if (text === undefined && !unanswered.has(id))
        find(texts.has(messageText(message)) ? "doubled" : "extra", `${id} is in the log, and nobody sent it`);
      if (text !== undefined && text !== messageText(message))
        find("changed", `${id} is not in the log as it was sent`);
    } else {
      const { parent } = metadata;
      if (!answers.has(id) && !(typeof parent === "string" && unanswered.has(parent)))
        find("extra", `${id} is in the log, and answers nobody`);
      if (metadata.status === "running") find("stuck", `${id} has not ended`);
    }
  }
  const order = log.flatMap(({ id }) => (asked.has(id) ? [id] : []));
  const wanted = [...asked.keys()].filter((id) => logged.has(id));
  if (order.join() !== wanted.join())
    find("swapped", `${order.length} messages are not in the order they were sent in`);
  return [...found, ...compareShown(known, log)];
}

function compareShown({ shown, more, ended, stopped }: Known, log: readonly Message[]): Finding[] {
  const found: Finding[] = [];
  const copies = new Map(shown.map((message) => [message.id, message]));
  const first = more ? log.findIndex(({ id }) => id === shown[0]?.id) : 0;
  for (const message of log.slice(Math.max(0, first))) {
    const copy = copies.get(message.id);
    copies.delete(message.id);
    const fault = copy === undefined ? "lost" : differenceOf(copy, message);
    if (fault !== undefined) found.push({ fault, sentence: `${message.id} was not shown as it is in the log` });
  }
  for (const id of copies.keys()) found.push({ fault: "lost", sentence: `${id} was shown, and is not in the log` });
  for (const message of log) {
    const { id, metadata } = message;
    const [text, end, status] = [messageText(message), ended.get(id), stopped.get(id)];
    if (end !== undefined && text !== end && text.startsWith(end))
      found.push({ fault: "grown", sentence: `${id} has ${text.length - end.length} characters behind its end` });
    if (status !== undefined && status !== metadata.status)
      found.push({ fault: "changed", sentence: `${id} is ${metadata.status ?? "nothing"}, its stop said ${status}` });
  }
  return found;
}

/** How what was shown differs from the log: fewer characters, more of them, or others. */
function differenceOf(copy: Message, message: Message): Fault | undefined {
  if (JSON.stringify(copy.parts) === JSON.stringify(message.parts)) return undefined;
  const more = messageText(copy).length - messageText(message).length;
  return more === 0 ? "changed" : more < 0 ? "lost" : "doubled";
}
