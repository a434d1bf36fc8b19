// Owns what is said below a message that is not as it should be, and the one thing to do about it (E3).
import type { ReactNode } from "react";
import type { Client, ConversationHandle, Message, Pending } from "../client/index.ts";
import { useClient } from "../react/index.ts";
import { addToDraft, pendingText } from "./content.ts";
import { rejectionText } from "./failure.ts";
import { countedDown, secondsTo, useLater, useNow } from "./times.ts";
import { uploadsOf } from "./uploads.ts";
import { useUi } from "./ui.tsx";

/** How a reply ended, where it did not end well. */
export function Notice(props: {
  readonly message: Message;
  readonly conversation: ConversationHandle;
  readonly keep: () => void;
}): ReactNode {
  const { message, conversation, keep } = props;
  const { texts, fail } = useUi();
  const { status, error } = message.metadata;
  const isEmpty = !message.parts.some((part) => "text" in part && part.text !== "");
  if (status === "completed" || status === undefined) {
    return isEmpty && status === "completed" ? <p className="tl-notice">{texts.empty}</p> : null;
  }
  const sentence =
    status === "stopped"
      ? texts.stopped
      : status === "interrupted"
        ? texts.interrupted
        : `${texts.failed} ${error === undefined ? "" : rejectionText(texts, error)}`;
  const canGoOn = status !== "failed" && !isEmpty;
  return (
    <div className={`tl-notice ${status === "failed" ? "tl-bad" : ""}`}>
      <span>{sentence}</span>
      {canGoOn && (
        <button
          type="button"
          className="tl-text-button"
          onClick={() => void conversation.continue(message.id).catch(fail)}
        >
          {texts.goOn}
        </button>
      )}
      <button
        type="button"
        className="tl-text-button"
        onClick={() => {
          keep();
          conversation.retry(message.id).catch(fail);
        }}
      >
        {texts.retry}
      </button>
    </div>
  );
}

/** How a message of one's own stands that the server does not have yet. */
export function UnsentNotice(props: {
  readonly pending: Pending;
  readonly conversation: ConversationHandle;
}): ReactNode {
  const { pending, conversation } = props;
  const { texts } = useUi();
  const client = useClient();
  const slow = useLater(pending.status === "sending" || pending.status === "waiting", 1500);
  const { message, status, error, waitsUntil } = pending;
  if (status !== "failed" && waitsUntil === undefined) {
    return slow ? <p className="tl-notice">{status === "waiting" ? texts.waiting : texts.sending}</p> : null;
  }
  const failed = status === "failed";
  const reason = error === undefined ? "" : rejectionText(texts, error);
  return (
    <div className={`tl-notice ${failed ? "tl-bad" : ""}`} role={failed ? "alert" : undefined}>
      {waitsUntil === undefined ? (
        <span>{`${texts.notSent} ${reason}`}</span>
      ) : (
        <Patience pending={pending} until={waitsUntil} />
      )}
      {failed && (
        <button type="button" className="tl-text-button" onClick={() => void conversation.resend(message)}>
          {texts.retry}
        </button>
      )}
      <button type="button" className="tl-text-button" onClick={() => void takeBack(pending, client)}>
        {texts.edit}
      </button>
      <button type="button" className="tl-text-button" onClick={() => void conversation.discard(message)}>
        {texts.remove}
      </button>
    </div>
  );
}

/** Why a message has to wait, and when it goes by itself: seconds that are counted down, or a time of day. */
export function Patience({ pending, until }: { readonly pending: Pending; readonly until: number }): ReactNode {
  const { texts, formats } = useUi();
  const now = useNow(true);
  const seconds = secondsTo(until, now);
  const reason = pending.waitsFor === undefined ? "" : `${texts.errors[pending.waitsFor]} `;
  const when = seconds > countedDown ? texts.sendsAt(formats.soon(until, now)) : texts.sendsIn(seconds);
  return <span>{reason + when}</span>;
}

/** Puts the text of a message that is not delivered back into the box, below what stands there. */
export async function takeBack(pending: Pending, client: Client): Promise<void> {
  const text = pendingText(pending);
  if (!(await client.conversation(pending.conversation).discard(pending.message))) return;
  addToDraft(client, pending.conversation, text);
  uploadsOf(client, pending.conversation).putBack(pending);
}
