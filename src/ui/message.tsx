// Owns one message as it is drawn: author, time, content, what became of it, and what can be done with it.
import { memo, useRef, useState, type ReactNode } from "react";
import type { ConversationHandle, Entry, Message } from "../client/index.ts";
import { Actions } from "./actions.tsx";
import { AutoGrow } from "./auto-grow.tsx";
import { textOf } from "./content.ts";
import { FileParts, filesToKeep } from "./file-parts.tsx";
import { Markdown } from "./markdown/Markdown.tsx";
import { Notice, UnsentNotice } from "./notices.tsx";
import { useUi } from "./ui.tsx";

export type MessageProps = {
  readonly entry: Entry;
  readonly conversation: ConversationHandle;
  /** Called before the conversation changes at this message: what is looked at must stay. */
  readonly keep: () => void;
  readonly user: string | undefined;
};

export const MessageItem = memo(function MessageItem(props: MessageProps): ReactNode {
  const { entry, conversation, keep, user } = props;
  const { message, pending } = entry;
  const { texts, formats } = useUi();
  const [editing, setEditing] = useState(false);
  const own = message.role === "user";
  const author = own ? texts.you : texts.assistant;
  const { createdAt, status, editOf } = message.metadata;
  const running = status === "running";

  return (
    <article
      className={`tl-message ${own ? "tl-own" : "tl-reply"}`}
      data-entry={message.id}
      data-status={pending?.status ?? status}
      aria-busy={running}
      aria-labelledby={`tl-author-${message.id}`}
    >
      <header className="tl-message-head">
        <h3 id={`tl-author-${message.id}`}>{author}</h3>
        <time dateTime={createdAt} title={formats.full(createdAt)}>
          {formats.time(createdAt)}
        </time>
        {editOf !== undefined && <span className="tl-note">{texts.edited}</span>}
      </header>
      {editing ? (
        <Editor
          text={textOf(message)}
          done={(text) => {
            setEditing(false);
            if (text === undefined) return;
            keep();
            conversation.edit(message.id, [{ type: "text", text }, ...filesToKeep(message)]);
          }}
        />
      ) : (
        <div className="tl-body" dir="auto">
          {own ? <OwnText message={message} /> : <Reply message={message} running={running} />}
        </div>
      )}
      {pending !== undefined && <UnsentNotice pending={pending} conversation={conversation} />}
      {!own && !running && <Notice message={message} conversation={conversation} keep={keep} />}
      {pending === undefined && !editing && (
        <Actions
          entry={entry}
          conversation={conversation}
          keep={keep}
          user={user}
          running={running}
          edit={own ? () => setEditing(true) : undefined}
        />
      )}
    </article>
  );
});

/** What a person wrote is shown as it was written. */
function OwnText({ message }: { readonly message: Message }): ReactNode {
  const text = textOf(message);
  return (
    <>
      <FileParts message={message} />
      {text !== "" && <p className="tl-own-text">{text}</p>}
    </>
  );
}

function Reply({ message, running }: { readonly message: Message; readonly running: boolean }): ReactNode {
  const { texts } = useUi();
  const last = message.parts.length - 1;
  const shown = message.parts.map((part, i) => {
    if (!("text" in part) || typeof part.text !== "string" || part.text === "") return null;
    const streaming = running && i === last;
    // The index is the part's name on the wire: parts never change their places.
    if (part.type === "text") return <Markdown key={`${i}`} text={part.text} streaming={streaming} />;
    if (part.type !== "reasoning") return null;
    return (
      <details key={`${i}`} className="tl-reasoning">
        <summary>{texts.reasoning}</summary>
        <Markdown text={part.text} streaming={streaming} />
      </details>
    );
  });
  const silent = running && !message.parts.some((part) => part.type === "text" && "text" in part && part.text !== "");
  return (
    <>
      {shown}
      {silent && (
        <span className="tl-thinking" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
      )}
    </>
  );
}

/** Changes a sent message in its place. */
function Editor({
  text,
  done,
}: {
  readonly text: string;
  readonly done: (text: string | undefined) => void;
}): ReactNode {
  const { texts, touch } = useUi();
  const [value, setValue] = useState(text);
  const form = useRef<HTMLFormElement>(null);
  const save = (): void => done(value.trim() === "" || value === text ? undefined : value);
  return (
    <form
      ref={form}
      className="tl-editor"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <AutoGrow
        label={texts.edit}
        value={value}
        focus
        onChange={setValue}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.stopPropagation();
            done(undefined);
          }
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing && !touch) {
            event.preventDefault();
            save();
          }
        }}
      />
      <div className="tl-row">
        <button type="submit" className="tl-button tl-primary">
          {texts.send}
        </button>
        <button type="button" className="tl-button" onClick={() => done(undefined)}>
          {texts.cancel}
        </button>
      </div>
    </form>
  );
}
