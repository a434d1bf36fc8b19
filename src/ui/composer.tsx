// Owns the box for writing, its buttons, and the messages that wait above it. It never stops a person from typing.
import { useRef, type KeyboardEvent, type ReactNode, type RefObject } from "react";
import type { ConversationHandle, ConversationView, Pending } from "../client/index.ts";
import { useClient, useDraft } from "../react/index.ts";
import { AutoGrow } from "./auto-grow.tsx";
import { pendingText } from "./content.ts";
import { Icon } from "./icon.tsx";
import { Patience, takeBack } from "./notices.tsx";
import { IconButton, useUi } from "./ui.tsx";

export function Composer(props: {
  readonly view: ConversationView;
  readonly conversation: ConversationHandle;
  readonly box: RefObject<HTMLTextAreaElement | null>;
  /** Opens the editor of the last message of one's own. */
  readonly editLast: () => void;
  readonly sent?: ((text: string) => void) | undefined;
  readonly focus: boolean;
}): ReactNode {
  const { view, conversation, box } = props;
  const { texts, fail, touch } = useUi();
  const [draft, setDraft, sendDraft] = useDraft(conversation.id);
  const composing = useRef(false);
  const busy = view.running !== undefined || view.entries.some(({ pending }) => pending?.status === "sent");

  const send = (): void => {
    if (draft.trim() === "") return;
    const text = draft;
    sendDraft();
    props.sent?.(text);
    box.current?.focus();
  };
  const stop = (): void => {
    conversation.stop().catch(fail);
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    // While a word is being composed, keys belong to it. 229: what older systems send then.
    if (event.nativeEvent.isComposing || event.keyCode === 229 || composing.current) return;
    if (event.key === "Enter" && !event.shiftKey && !touch) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && draft === "" && !event.shiftKey) {
      event.preventDefault();
      props.editLast();
    }
  };

  return (
    <div className="tl-composer">
      <Queue items={view.queued} conversation={conversation} />
      <form
        className="tl-box"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
        onCompositionStart={() => (composing.current = true)}
        onCompositionEnd={() => (composing.current = false)}
      >
        <AutoGrow
          box={box}
          label={texts.message}
          placeholder={texts.placeholder}
          value={draft}
          focus={props.focus}
          hint={touch ? "enter" : "send"}
          onChange={setDraft}
          onKeyDown={press}
        />
        {(!busy || draft.trim() !== "") && (
          <button
            type="submit"
            className="tl-send"
            aria-label={texts.send}
            title={texts.send}
            disabled={draft.trim() === ""}
          >
            <Icon name="send" />
          </button>
        )}
        {busy && (
          <button type="button" className="tl-send tl-stop" aria-label={texts.stop} title={texts.stop} onClick={stop}>
            <Icon name="stop" />
          </button>
        )}
      </form>
    </div>
  );
}

/** What is sent when the reply that is being made has ended. */
function Queue(props: { readonly items: readonly Pending[]; readonly conversation: ConversationHandle }): ReactNode {
  const { items, conversation } = props;
  const { texts } = useUi();
  const client = useClient();
  if (items.length === 0) return null;
  return (
    <section className="tl-queue" aria-label={texts.queued(items.length)}>
      <ol>
        {items.map((item) => (
          <li key={item.message}>
            <div className="tl-queue-text">
              <p dir="auto">{pendingText(item)}</p>
              {item.waitsUntil !== undefined && (
                <p>
                  <Patience pending={item} until={item.waitsUntil} />
                </p>
              )}
            </div>
            <button type="button" className="tl-text-button" onClick={() => void conversation.sendNow(item.message)}>
              {texts.sendNow}
            </button>
            <IconButton icon="edit" label={texts.edit} onClick={() => void takeBack(item, client)} />
            <IconButton icon="trash" label={texts.remove} onClick={() => void conversation.discard(item.message)} />
          </li>
        ))}
      </ol>
    </section>
  );
}
