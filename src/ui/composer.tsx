// Owns the box for writing, its buttons, and the messages that wait above it. It never stops a person from typing.
import {
  useCallback,
  useEffect,
  useRef,
  useState,
  type ClipboardEvent,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
} from "react";
import type { ConversationHandle, ConversationView, Pending } from "../client/index.ts";
import { useClient, useDraft, useReadable } from "../react/index.ts";
import { Attachments, DropArea, longPaste } from "./attachments.tsx";
import { AutoGrow } from "./auto-grow.tsx";
import { addToDraft, pendingText } from "./content.ts";
import { Icon } from "./icon.tsx";
import { Patience, takeBack } from "./notices.tsx";
import { mostFiles, uploadsOf } from "./uploads.ts";
import type { Texts } from "./texts.ts";
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
  const { texts, fail, touch, toast } = useUi();
  const client = useClient();
  const [draft, setDraft] = useDraft(conversation.id);
  const composing = useRef(false);
  const busy = view.running !== undefined || view.entries.some(({ pending }) => pending?.status === "sent");

  const uploads = uploadsOf(client, conversation.id);
  const files = useReadable(uploads);
  const picker = useRef<HTMLInputElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const isEmpty = draft.trim() === "" && files.length === 0;
  const coming = files.some(({ state }) => state.kind === "sending");
  /** Send was pressed while files were on their way. */
  const [wanted, want] = useState(false);

  const send = (): void => {
    if (isEmpty) return;
    const refused = files.some(({ state }) => state.kind === "failed");
    want(coming && !refused);
    if (refused) toast({ text: texts.files.failed, alert: true });
    if (refused || coming) return;
    const text = draft;
    client.sendDraft(conversation.id, uploads.take());
    props.sent?.(text);
    box.current?.focus();
  };
  const latest = useRef(send);
  latest.current = send;
  useEffect(() => {
    if (wanted && !coming) latest.current();
  }, [wanted, coming]);
  const add = useCallback(
    (added: readonly File[], pasted?: string) => {
      if (added.length > 0 && !uploads.add(added, pasted)) {
        toast({ text: texts.files.tooMany(mostFiles), alert: true });
      }
    },
    [uploads, toast, texts],
  );
  const paste = (event: ClipboardEvent<HTMLTextAreaElement>): void => {
    const pasted = [...event.clipboardData.files];
    const text = event.clipboardData.getData("text/plain");
    // A table that is copied comes as a picture as well: its text is what was meant.
    if (pasted.length > 0 && text === "") add(pasted);
    else if (text.length >= longPaste) add([new File([text], texts.files.pasted, { type: "text/plain" })], text);
    else return;
    event.preventDefault();
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
    } else if (event.key === "Backspace" && draft === "" && files.length > 0) {
      event.preventDefault();
      uploads.remove(files.at(-1)?.key ?? "");
    } else if (event.key === "ArrowUp" && draft === "" && !event.shiftKey) {
      event.preventDefault();
      props.editLast();
    }
  };

  return (
    <div className="tl-composer">
      <Queue items={view.queued} conversation={conversation} />
      <DropArea from={form} drop={add} />
      <Attachments
        uploads={uploads}
        items={files}
        write={(text) => addToDraft(client, conversation.id, text)}
        box={box}
      />
      {wanted && coming && (
        <p className="tl-file-note" role="status">
          {texts.files.waits}
        </p>
      )}
      <form
        ref={form}
        className="tl-box"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
        onCompositionStart={() => (composing.current = true)}
        onCompositionEnd={() => (composing.current = false)}
      >
        <input
          ref={picker}
          className="tl-picker"
          type="file"
          multiple
          tabIndex={-1}
          aria-hidden="true"
          onChange={(event) => {
            add([...(event.currentTarget.files ?? [])]);
            // The same file may be chosen again.
            event.currentTarget.value = "";
            box.current?.focus();
          }}
        />
        <IconButton icon="clip" label={texts.files.add} className="tl-clip" onClick={() => picker.current?.click()} />
        <AutoGrow
          box={box}
          label={texts.message}
          placeholder={texts.placeholder}
          value={draft}
          focus={props.focus}
          hint={touch ? "enter" : "send"}
          onChange={(text) => {
            // Who goes on writing has not finished: nothing goes in the middle of a word.
            want(false);
            setDraft(text);
          }}
          onKeyDown={press}
          onPaste={paste}
        />
        {(!busy || !isEmpty) && (
          <button type="submit" className="tl-send" aria-label={texts.send} title={texts.send} disabled={isEmpty}>
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

/** Its text, and how many files come with it. */
function queuedWords(item: Pending, texts: Texts): string {
  const count = item.parts.filter(({ type }) => type === "file").length;
  return [pendingText(item), ...(count === 0 ? [] : [texts.files.count(count)])]
    .filter((one) => one !== "")
    .join(" · ");
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
              <p dir="auto">{queuedWords(item, texts)}</p>
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
