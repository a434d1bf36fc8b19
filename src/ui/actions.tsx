// Owns what can be done with a message that is there: versions, copy, edit, retry, reactions, thumbs.
import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
import type { ConversationHandle, Entry, Message } from "../client/index.ts";
import { useCopy } from "./clipboard.ts";
import { textOf } from "./content.ts";
import { focusedBeside } from "./focus.ts";
import { IconButton, useUi } from "./ui.tsx";

const choices = ["❤️", "😂", "🎉", "🤔", "👀", "✅"] as const;
const [thumbUp, thumbDown] = ["👍", "👎"] as const;

export function Actions(props: {
  readonly entry: Entry;
  readonly conversation: ConversationHandle;
  readonly keep: () => void;
  readonly user: string | undefined;
  readonly running: boolean;
  readonly edit: (() => void) | undefined;
}): ReactNode {
  const { entry, conversation, keep, running, edit, user } = props;
  const { message } = entry;
  const { texts, fail } = useUi();
  const copyText = useCopy();
  const [choosing, setChoosing] = useState(false);
  const [copied, setCopied] = useState(false);

  const copy = (): void => {
    const show = async (): Promise<void> => {
      if (!(await copyText(textOf(message)))) return;
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    };
    void show();
  };
  const has = (reaction: string): boolean =>
    user !== undefined && (message.metadata.reactions?.[reaction]?.includes(user) ?? false);
  const react = (reaction: string): void => {
    setChoosing(false);
    const on = !has(reaction);
    const other = reaction === thumbUp ? thumbDown : reaction === thumbDown ? thumbUp : undefined;
    // First away, then there: nobody ever sees both.
    if (on && other !== undefined && has(other)) conversation.react(message.id, other, false).catch(fail);
    conversation.react(message.id, reaction, on).catch(fail);
  };
  const retry = (): void => {
    keep();
    conversation.retry(message.id).catch(fail);
  };

  return (
    <footer className="tl-actions">
      <Versions entry={entry} conversation={conversation} keep={keep} />
      <div className="tl-tools">
        {!running && <IconButton icon={copied ? "check" : "copy"} label={texts.copy} onClick={copy} />}
        {edit !== undefined && <IconButton icon="edit" label={texts.edit} onClick={edit} />}
        {edit === undefined && !running && (
          <>
            <IconButton icon="retry" label={texts.retry} onClick={retry} />
            <IconButton icon="up" label={texts.good} pressed={has(thumbUp)} onClick={() => react(thumbUp)} />
            <IconButton icon="down" label={texts.bad} pressed={has(thumbDown)} onClick={() => react(thumbDown)} />
          </>
        )}
        {!running && (
          <span className="tl-anchor">
            <IconButton
              icon="smile"
              label={texts.react}
              expanded={choosing}
              onClick={() => setChoosing((open) => !open)}
            />
            {choosing && <Choice choose={react} close={() => setChoosing(false)} />}
          </span>
        )}
      </div>
      <Reactions message={message} has={has} react={react} />
    </footer>
  );
}

/** `‹ 2/3 ›`: the versions of a message. */
function Versions(props: {
  readonly entry: Entry;
  readonly conversation: ConversationHandle;
  readonly keep: () => void;
}): ReactNode {
  const { texts, announce } = useUi();
  const { branch } = props.entry;
  const group = useRef<HTMLDivElement>(null);
  if (branch === undefined) return null;
  const { index, siblings } = branch;
  const go = (to: number): void => {
    const id = siblings[to];
    if (id === undefined) return;
    props.keep();
    props.conversation.choose(id);
    // The button goes with its message; whoever uses keys goes on with the one of the version that is shown now.
    const scope = group.current?.getRootNode();
    const again = (): void => {
      if (!(scope instanceof Document || scope instanceof ShadowRoot)) return;
      const flips = [...scope.querySelectorAll<HTMLButtonElement>(`[data-entry="${id}"] .tl-flip`)];
      const same = flips[to < index ? 0 : 1];
      (same?.disabled === true ? flips.find((flip) => !flip.disabled) : same)?.focus({ preventScroll: true });
    };
    if (group.current?.contains(focusedBeside(group.current) ?? null) === true) requestAnimationFrame(again);
    announce(texts.version(to + 1, siblings.length));
  };
  return (
    <div ref={group} className="tl-versions" role="group" aria-label={texts.version(index + 1, siblings.length)}>
      <IconButton
        icon="left"
        className="tl-flip"
        label={texts.previous}
        disabled={index === 0}
        onClick={() => go(index - 1)}
      />
      <span aria-hidden="true" dir="ltr">{`${index + 1}/${siblings.length}`}</span>
      <IconButton
        icon="right"
        className="tl-flip"
        label={texts.next}
        disabled={index === siblings.length - 1}
        onClick={() => go(index + 1)}
      />
    </div>
  );
}

function Reactions(props: {
  readonly message: Message;
  readonly has: (reaction: string) => boolean;
  readonly react: (reaction: string) => void;
}): ReactNode {
  const { texts } = useUi();
  const given = Object.entries(props.message.metadata.reactions ?? {}).filter(
    ([reaction, users]) => users.length > 0 && reaction !== thumbUp && reaction !== thumbDown,
  );
  if (given.length === 0) return null;
  return (
    <div className="tl-reactions">
      {given.map(([reaction, users]) => (
        <button
          key={reaction}
          type="button"
          className="tl-reaction"
          aria-pressed={props.has(reaction)}
          aria-label={texts.reaction(reaction)}
          onClick={() => props.react(reaction)}
        >
          {reaction}
          {users.length > 1 && <span>{users.length}</span>}
        </button>
      ))}
    </div>
  );
}

/** The emojis to choose from; arrow keys go through them. */
function Choice({ choose, close }: { choose: (reaction: string) => void; close: () => void }): ReactNode {
  const { texts } = useUi();
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef(close);
  latest.current = close;
  useLayoutEffect(() => {
    const before = focusedBeside(box.current);
    box.current?.querySelector("button")?.focus();
    const outside = (event: Event): void => {
      if (box.current !== null && !event.composedPath().includes(box.current)) latest.current();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      before?.focus();
    };
  }, []);
  return (
    <div
      ref={box}
      className="tl-choice"
      role="group"
      aria-label={texts.react}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.stopPropagation();
          close();
        }
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (step === 0 || box.current === null) return;
        const buttons = [...box.current.querySelectorAll("button")];
        const at = buttons.findIndex((button) => button === event.target);
        buttons.at((at + step) % buttons.length)?.focus();
      }}
    >
      {choices.map((reaction) => (
        <button key={reaction} type="button" aria-label={texts.reaction(reaction)} onClick={() => choose(reaction)}>
          {reaction}
        </button>
      ))}
    </div>
  );
}
