// Owns the list of messages: their order, days, older pages and the place in view. It draws no message itself.
import { Fragment, useCallback, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import type { ConversationHandle, ConversationView } from "../client/index.ts";
import { MessageItem } from "./message.tsx";
import { createScroller, type Scroller } from "./scroller.ts";
import { IconButton, useUi } from "./ui.tsx";

/** How long (ms) a message that was looked for is marked. */
const markedTime = 4000;

/** Where an address or a search leads to. */
export type Target = { readonly message: string | undefined };

export function Transcript(props: {
  readonly view: ConversationView;
  readonly conversation: ConversationHandle;
  readonly user: string | undefined;
  readonly target?: Target | undefined;
}): ReactNode {
  const { view, conversation, user, target } = props;
  const { texts, formats, toast, fail } = useUi();
  const log = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const spacer = useRef<HTMLDivElement>(null);
  const scroller = useRef<Scroller>(null);
  const latest = useRef({ view, conversation });
  latest.current = { view, conversation };
  const [far, setFar] = useState(false);

  useLayoutEffect(() => {
    if (log.current === null || content.current === null || spacer.current === null) return undefined;
    const made = createScroller({
      log: log.current,
      content: content.current,
      spacer: spacer.current,
      far: setFar,
      nearStart() {
        const { view, conversation } = latest.current;
        // Refused or offline: asked again when the person scrolls again.
        if (view.more && !view.loadingMore && view.status === "live") conversation.loadMore().catch(() => undefined);
      },
    });
    scroller.current = made;
    return () => made.stop();
  }, []);

  // What was just sent goes near the top, with room for the reply.
  const lastSent = view.entries.findLast((entry) => entry.message.role === "user");
  const before = useRef<string | undefined>(undefined);
  const fresh = lastSent?.pending !== undefined && lastSent.pending.status !== "failed";
  useLayoutEffect(() => {
    const id = lastSent?.message.id;
    if (id === before.current) return;
    before.current = id;
    if (!fresh || id === undefined) return;
    const element = content.current?.querySelector<HTMLElement>(`[data-entry="${id}"]`);
    if (element !== null && element !== undefined) scroller.current?.raise(element);
  }, [lastSent, fresh]);

  useLayoutEffect(() => scroller.current?.reset(), [view.id]);
  useLayoutEffect(() => scroller.current?.hold(), [view.entries]);

  const [reached, setReached] = useState<Target>();
  /** Looked for already: a connection that comes back is no reason to go there again. */
  const sought = useRef<Target>(undefined);
  const isLive = view.status === "live";
  useEffect(() => {
    if (target?.message === undefined || !isLive || sought.current === target) return;
    sought.current = target;
    const isWanted = (): boolean => sought.current === target;
    const found = (there: boolean): void => {
      if (there) setReached(target);
      else toast({ text: texts.notReached, alert: true });
    };
    conversation
      .reach(target.message)
      .then((there) => isWanted() && found(there))
      .catch((error: unknown) => isWanted() && fail(error));
  }, [target, isLive, conversation, toast, fail, texts]);
  useEffect(() => {
    const element = content.current?.querySelector<HTMLElement>(`[data-entry="${reached?.message}"]`);
    if (reached === undefined || element === null || element === undefined) return undefined;
    scroller.current?.show(element);
    // Whoever came by keys goes on from here.
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    element.classList.add("tl-found");
    const timer = setTimeout(() => element.classList.remove("tl-found"), markedTime);
    return () => {
      clearTimeout(timer);
      element.classList.remove("tl-found");
    };
  }, [reached]);

  const keep = useCallback(() => scroller.current?.keep(), []);
  const now = Date.now();
  let day: string | undefined;

  return (
    <div className="tl-transcript">
      <div ref={log} className="tl-log" role="log" aria-live="off" aria-label={texts.transcript} tabIndex={0}>
        <div ref={content} className="tl-content">
          {view.loadingMore && <p className="tl-older">{texts.older}</p>}
          {view.entries.map((entry) => {
            const { createdAt } = entry.message.metadata;
            const key = formats.dayKey(createdAt);
            const isNew = key !== day;
            day = key;
            return (
              <Fragment key={entry.message.id}>
                {isNew && (
                  <h2 className="tl-day">
                    <span>{formats.day(createdAt, now)}</span>
                  </h2>
                )}
                <MessageItem entry={entry} conversation={conversation} keep={keep} user={user} />
              </Fragment>
            );
          })}
        </div>
        <div ref={spacer} aria-hidden="true" />
      </div>
      {far && (
        <IconButton
          icon="newest"
          className="tl-to-newest"
          label={texts.toNewest}
          onClick={() => scroller.current?.toEnd(true)}
        />
      )}
    </div>
  );
}
