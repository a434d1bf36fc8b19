// Owns the files beside the box as they are drawn: what is on its way, what is ready, what was refused and why.
import { useEffect, useRef, useState, type ReactNode, type RefObject } from "react";
import { RequestError } from "../client/index.ts";
import { failureText } from "./failure.ts";
import type { Formats } from "./formats.ts";
import { Icon } from "./icon.tsx";
import type { Texts } from "./texts.ts";
import { canRetry, type Upload, type Uploads } from "./uploads.ts";
import { IconButton, useUi } from "./ui.tsx";

/** Characters of a paste from which on it becomes a file. */
export const longPaste = 8000;

/** Why a file was not taken, with the limit in numbers. */
function refusal(texts: Texts, formats: Formats, error: unknown): string {
  if (!(error instanceof RequestError)) return texts.files.lost;
  const { limit, message } = error.rejection;
  const { kinds, unreadable, tooLarge, quota, rate } = texts.files;
  const known = { ...texts.errors, unsupported_media: kinds, invalid: unreadable };
  // A picture's points have no short sentence of ours: the server says them.
  const errors =
    limit === undefined
      ? { ...known, too_large: message }
      : {
          ...known,
          too_large: tooLarge(formats.size(limit)),
          quota_exceeded: quota(formats.size(limit)),
          rate_limited: rate(limit),
        };
  return failureText({ ...texts, errors }, formats, error);
}

export function Attachments(props: {
  readonly uploads: Uploads;
  readonly items: readonly Upload[];
  /** Puts a text into the box. */
  readonly write: (text: string) => void;
  readonly box: RefObject<HTMLTextAreaElement | null>;
}): ReactNode {
  const { uploads, items, write, box } = props;
  const { texts } = useUi();
  if (items.length === 0) return null;
  const remove = ({ key }: Upload): void => {
    uploads.remove(key);
    box.current?.focus();
  };
  return (
    <ul className="tl-files" aria-label={texts.files.beside}>
      {items.map((item) => (
        <li key={item.key} className="tl-file" data-state={item.state.kind}>
          <Preview source={item.preview} />
          <FileWords item={item} />
          {item.state.kind === "failed" && canRetry(item.state.error) && (
            <IconButton icon="retry" label={texts.files.retry(item.name)} onClick={() => uploads.retry(item.key)} />
          )}
          {item.pasted !== undefined && (
            <button
              type="button"
              className="tl-text-button"
              onClick={() => {
                write(item.pasted ?? "");
                remove(item);
              }}
            >
              {texts.files.asText}
            </button>
          )}
          <IconButton icon="close" label={texts.files.remove(item.name)} onClick={() => remove(item)} />
        </li>
      ))}
    </ul>
  );
}

function Preview({ source }: { readonly source: string | undefined }): ReactNode {
  const [failed, setFailed] = useState(false);
  // A page that carries the chat window may not let a picture be drawn.
  if (source !== undefined && !failed)
    return <img className="tl-file-icon" src={source} alt="" onError={() => setFailed(true)} />;
  return (
    <span className="tl-file-icon">
      <Icon name="file" />
    </span>
  );
}

function FileWords({ item }: { readonly item: Upload }): ReactNode {
  const { texts, formats, announce } = useUi();
  const { name, state } = item;
  const before = useRef(state.kind);
  useEffect(() => {
    if (before.current === "sending" && state.kind === "ready") announce(texts.files.ready(name));
    before.current = state.kind;
  }, [state.kind, announce, texts, name]);
  return (
    <span className="tl-file-words">
      <bdi className="tl-file-name" title={name}>
        {name}
      </bdi>
      {state.kind === "sending" && <progress value={state.share} max={1} aria-label={texts.files.sending(name)} />}
      {state.kind === "ready" && <span className="tl-file-note">{formats.size(item.bytes)}</span>}
      {state.kind === "failed" && (
        <span className="tl-file-note tl-bad" role="alert">
          {refusal(texts, formats, state.error)}
        </span>
      )}
    </span>
  );
}

const carriesFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes("Files") === true;

/** Takes files that are dropped anywhere in the window, and says so while they are held over it. */
export function DropArea(props: {
  readonly from: RefObject<HTMLElement | null>;
  readonly drop: (files: readonly File[]) => void;
}): ReactNode {
  const { from, drop } = props;
  const { texts } = useUi();
  const [held, setHeld] = useState(false);
  useEffect(() => {
    // The chat window on somebody's page takes what is dropped on itself, the app whatever is dropped on its page.
    const root = from.current?.getRootNode();
    const area: EventTarget = root instanceof ShadowRoot ? root : window;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = (event: Event): void => {
      if (!(event instanceof DragEvent) || !carriesFiles(event)) return;
      event.preventDefault();
      setHeld(true);
      clearTimeout(timer);
      // Told again and again while they are held here.
      timer = setTimeout(() => setHeld(false), 600);
    };
    const dropped = (event: Event): void => {
      if (!(event instanceof DragEvent) || !carriesFiles(event)) return;
      event.preventDefault();
      clearTimeout(timer);
      setHeld(false);
      drop([...(event.dataTransfer?.files ?? [])]);
    };
    area.addEventListener("dragover", over);
    area.addEventListener("drop", dropped);
    return () => {
      clearTimeout(timer);
      area.removeEventListener("dragover", over);
      area.removeEventListener("drop", dropped);
    };
  }, [from, drop]);
  return held ? (
    <div className="tl-drop" aria-hidden="true">
      {texts.files.drop}
    </div>
  ) : null;
}
