// Owns the panel: its header, and below it the conversation or the list of those before. It draws no message.
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { Readable } from "../client/index.ts";
import { useClient, useConversation, useReadable } from "../react/index.ts";
import { Chat } from "../ui/chat.tsx";
import { ConnectionDot } from "../ui/connection.tsx";
import { createFormats } from "../ui/formats.ts";
import { directionOf, loadTexts, pickLanguage, type Language } from "../ui/language.ts";
import { english, type Texts } from "../ui/texts.ts";
import { IconButton, UiProvider, useUi } from "../ui/ui.tsx";
import type { Outside, Settings } from "./contract.ts";
import type { PlaceKeeper } from "./place.ts";
import { Recent } from "./recent.tsx";

/** `quietly`: a page that loads with the window open keeps its focus. */
export type Shown = "no" | "quietly" | "focused";

type Around = {
  readonly settings: Settings;
  readonly place: PlaceKeeper;
  readonly shown: Readable<Shown>;
  readonly outside: Outside;
};

export function Panel(props: Around): ReactNode {
  const { settings } = props;
  const language = pickLanguage([settings.language]);
  const texts = useTexts(language, settings.greeting);
  const formats = useMemo(() => createFormats(language), [language]);
  const shown = useReadable(props.shown);
  if (texts === undefined || shown === "no") return null;
  return (
    <div className="tl tw" dir={directionOf(language)} lang={language} data-theme={settings.theme}>
      <UiProvider texts={texts} formats={formats}>
        <Inside {...props} focus={shown === "focused"} />
      </UiProvider>
    </div>
  );
}

/** The texts of a language, with the page's greeting; English where they cannot be had. */
function useTexts(language: Language, greeting: string | undefined): Texts | undefined {
  const [texts, setTexts] = useState<Texts | undefined>(language === "en" ? english : undefined);
  useEffect(() => {
    loadTexts(language)
      .catch(() => english)
      .then(setTexts)
      .catch(() => undefined);
  }, [language]);
  return useMemo(
    () => (texts === undefined || greeting === undefined ? texts : { ...texts, greeting }),
    [texts, greeting],
  );
}

function Inside({ settings, place, outside, focus }: Around & { readonly focus: boolean }): ReactNode {
  const { texts, touch } = useUi();
  const client = useClient();
  const { conversation: id, begun } = useReadable(place);
  const { view, conversation } = useConversation(id);
  // A page has a first heading of its own; the page in the frame has this one.
  const Title = settings.mode === "iframe" ? "h1" : "h2";
  const [listed, setListed] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const focusBox = useCallback(() => {
    const box = root.current?.querySelector<HTMLElement>(".tl-box textarea");
    // On touch the focus would bring up the keyboard: it goes to the panel, which is read out.
    (touch ? root.current : box)?.focus({ preventScroll: true });
  }, [touch]);
  const leaveList = useCallback(() => {
    setListed(false);
    requestAnimationFrame(focusBox);
  }, [focusBox]);
  const startNew = (): void => {
    if (view.entries.length > 0 || view.queued.length > 0) place.begin();
    leaveList();
  };
  useEffect(() => {
    if (touch && focus) root.current?.focus({ preventScroll: true });
  }, [touch, focus]);

  return (
    <div
      ref={root}
      className="tw-inside"
      tabIndex={-1}
      onKeyDown={(event) => {
        // In the conversation Esc has its own meanings; here it stops the reply, then leaves the list, and the loader closes.
        if (event.key !== "Escape" || event.defaultPrevented || event.shiftKey) return;
        if (listed) leaveList();
        else if (view.running !== undefined) conversation.stop().catch(() => undefined);
        else return;
        event.preventDefault();
      }}
    >
      <header className="tw-head" part="header">
        <IconButton
          icon="menu"
          label={listed ? texts.closeSidebar : texts.openSidebar}
          expanded={listed}
          onClick={() => (listed ? leaveList() : setListed(true))}
        />
        <Title className="tw-title" dir="auto" part="title">
          {settings.title}
        </Title>
        <ConnectionDot />
        <IconButton icon="plus" label={texts.newConversation} onClick={startNew} />
        <IconButton icon="close" label={texts.close} onClick={() => outside.close()} />
      </header>
      {listed ? (
        <Recent
          current={id}
          choose={(chosen) => {
            if (chosen !== id) place.go(chosen, true);
            leaveList();
          }}
        />
      ) : (
        <Chat
          id={id}
          examples={settings.examples}
          model={settings.model}
          begun={begun}
          focus={focus}
          signIn={() => client.signIn()}
          sent={() => outside.tell({ type: "message", conversation: id })}
        />
      )}
    </div>
  );
}
