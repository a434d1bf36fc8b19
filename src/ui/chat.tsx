// Owns one conversation on the screen: banner, transcript, box, and what screen readers are told while a reply is made.
import { useCallback, useEffect, useMemo, useRef, type ReactNode } from "react";
import type { ConversationView } from "../client/index.ts";
import { useConversation, useDraft, usePerson } from "../react/index.ts";
import { useCopy } from "./clipboard.ts";
import { Composer } from "./composer.tsx";
import { ConnectionBanner } from "./connection.tsx";
import { textOf } from "./content.ts";
import { MarkdownContext } from "./markdown/context.ts";
import { Transcript, type Target } from "./transcript.tsx";
import { useKeptFocus } from "./focus.ts";
import { Gone, InsteadComposer, isGone, type Instead } from "./gone.tsx";
import { useUi } from "./ui.tsx";

/** How often (ms) somebody who cannot see it is told that the reply is still being made. */
const workingEvery = 15_000;

export function Chat(props: {
  readonly id: string;
  /** Shown instead of the transcript of a conversation without messages. */
  readonly examples: readonly string[];
  readonly model: string;
  readonly sent?: ((text: string) => void) | undefined;
  readonly signIn?: (() => void) | undefined;
  /** A message to bring into view; another object asks again. */
  readonly target?: Target | undefined;
  /** It has begun before: where the server has nothing of it, it is gone, not new. */
  readonly begun?: boolean;
  /** Where this one is gone, what is written begins another. */
  readonly instead?: Instead | undefined;
  readonly focus?: boolean;
}): ReactNode {
  const { id } = props;
  const { view, conversation } = useConversation(id);
  const person = usePerson();
  const { texts, touch } = useUi();
  const root = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const copy = useCopy();
  const markdown = useMemo(() => ({ texts: texts.markdown, copy }), [texts, copy]);
  useSpoken(view);
  // On touch a focus would bring up the keyboard.
  useKeptFocus(root, () => (touch ? undefined : box.current));

  // A sentence for whoever waits; the transcript itself is silent.
  const focus = (props.focus ?? true) && !touch;
  const gone = isGone(view, props.begun === true, person);
  const isEmpty = view.entries.length === 0 && (view.status === "new" || view.status === "live");
  const editLast = useCallback(() => {
    const own = root.current?.querySelectorAll<HTMLElement>(".tl-own");
    own
      ?.item(own.length - 1)
      .querySelector<HTMLElement>(`[aria-label="${texts.edit}"]`)
      ?.click();
  }, [texts]);

  return (
    <div
      ref={root}
      className="tl-chat"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented || event.shiftKey || view.running === undefined) return;
        event.preventDefault();
        conversation.stop().catch(() => undefined);
      }}
    >
      <ConnectionBanner signIn={props.signIn} />
      {gone ? (
        <Gone view={view} instead={props.instead} box={box} />
      ) : isEmpty ? (
        <Welcome id={id} examples={props.examples} chosen={() => box.current?.focus()} />
      ) : (
        <MarkdownContext.Provider value={markdown}>
          <Transcript view={view} conversation={conversation} user={person?.id} target={props.target} />
        </MarkdownContext.Provider>
      )}
      {gone && props.instead !== undefined ? (
        <InsteadComposer key={props.instead.id} instead={props.instead} box={box} focus={focus} />
      ) : (
        <Composer
          key={id}
          view={view}
          conversation={conversation}
          box={box}
          editLast={editLast}
          sent={props.sent}
          focus={focus}
        />
      )}
      <p className="tl-foot">{texts.answers(props.model)}</p>
    </div>
  );
}

function Welcome(props: {
  readonly id: string;
  readonly examples: readonly string[];
  readonly chosen: () => void;
}): ReactNode {
  const { texts } = useUi();
  const [, setDraft] = useDraft(props.id);
  return (
    <div className="tl-welcome">
      <h2>{texts.greeting}</h2>
      <p>{texts.promise}</p>
      <ul>
        {props.examples.map((example) => (
          <li key={example}>
            <button
              type="button"
              className="tl-example"
              onClick={() => {
                setDraft(example);
                props.chosen();
              }}
            >
              {example}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Says when a reply begins, is still being made, and is there: then its text, once. */
function useSpoken(view: ConversationView): void {
  const { texts, announce } = useUi();
  const running = view.running?.message;
  const latest = useRef(view);
  latest.current = view;
  useEffect(() => {
    if (running === undefined) return undefined;
    announce(texts.generating);
    const timer = setInterval(() => announce(texts.stillWorking), workingEvery);
    return () => {
      clearInterval(timer);
      const reply = latest.current.entries.find((entry) => entry.message.id === running)?.message;
      if (reply === undefined || reply.metadata.status === "running") return;
      announce(`${texts.complete}. ${textOf(reply)}`);
    };
  }, [running, announce, texts]);
}
