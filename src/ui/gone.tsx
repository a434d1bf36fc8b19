// Owns what is shown of a conversation that is not here: the sentence, what was written in it and could not be delivered, and a
// box that begins another one.
import type { ReactNode, RefObject } from "react";
import type { ConversationView, Pending, Person } from "../client/index.ts";
import { useClient, useConversation, useDraft } from "../react/index.ts";
import { Composer } from "./composer.tsx";
import { addToDraft, pendingText } from "./content.ts";
import { useUi } from "./ui.tsx";

/** The conversation that is begun instead; `begun`: something was sent in it. */
export type Instead = { readonly id: string; readonly begun: () => void };

const unsentOf = ({ entries, queued }: ConversationView): readonly Pending[] => [
  ...entries.flatMap(({ pending }) => pending ?? []),
  ...queued,
];

/** It will never be delivered here: the conversation is not this person's, or its writer was a guest who is no more. */
const isStray = ({ error, user }: Pending, person: Person | undefined): boolean =>
  error?.code === "not_found" || (person?.guest === true && user !== null && user === person.was);

/** `begun`: it has begun before; where the server has nothing of it, it is gone, not new. */
export function isGone(view: ConversationView, begun: boolean, person: Person | undefined): boolean {
  if (view.status === "gone") return true;
  if (view.status !== "new" || !begun || view.entries.some(({ pending }) => pending === undefined)) return false;
  return unsentOf(view).every((one) => isStray(one, person));
}

export function Gone(props: {
  readonly view: ConversationView;
  readonly instead: Instead | undefined;
  readonly box: RefObject<HTMLTextAreaElement | null>;
}): ReactNode {
  const { view, instead, box } = props;
  const { texts } = useUi();
  const client = useClient();
  const [draft, setDraft] = useDraft(view.id);
  const unsent = unsentOf(view);
  const text = [...unsent.map(pendingText), draft].filter((one) => one.trim() !== "").join("\n\n");
  const carry = (to: string): void => {
    // First there, then gone from here.
    addToDraft(client, to, text);
    setDraft("");
    for (const { message } of unsent) void client.conversation(view.id).discard(message);
    box.current?.focus();
  };
  return (
    <div className="tl-gone">
      <p>{texts.gone}</p>
      {text !== "" && (
        <>
          <p>{texts.unsentHere}</p>
          <blockquote dir="auto">{text}</blockquote>
        </>
      )}
      {text !== "" && instead !== undefined && (
        <button type="button" className="tl-button tl-primary" onClick={() => carry(instead.id)}>
          {texts.beginAnew}
        </button>
      )}
    </div>
  );
}

/** The box below it: what is sent in it begins the other conversation. */
export function InsteadComposer(props: {
  readonly instead: Instead;
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly focus: boolean;
}): ReactNode {
  const { instead, box, focus } = props;
  const { view, conversation } = useConversation(instead.id);
  return (
    <Composer
      view={view}
      conversation={conversation}
      box={box}
      editLast={() => undefined}
      sent={instead.begun}
      focus={focus}
    />
  );
}
