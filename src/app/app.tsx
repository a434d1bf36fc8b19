// Owns the app's frame: sidebar, header, the conversation shown, dialogs and keys. It draws no message.
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { flushSync } from "react-dom";
import type { Readable } from "../client/index.ts";
import { useClient, useConnection, useConversation, usePerson, useReadable } from "../react/index.ts";
import { Chat } from "../ui/chat.tsx";
import { ConnectionDot } from "../ui/connection.tsx";
import { useCopy } from "../ui/clipboard.ts";
import { textOf } from "../ui/content.ts";
import { createFormats } from "../ui/formats.ts";
import { loadTexts, type Language } from "../ui/language.ts";
import { english, type Texts } from "../ui/texts.ts";
import { IconButton, UiProvider, useUi } from "../ui/ui.tsx";
import type { Facts } from "./facts.ts";
import { useFreshId } from "./fresh.ts";
import { useKeys } from "./keys.ts";
import { go, place } from "./place.ts";
import { languageOf, localeOf, preferences } from "./preferences.ts";
import { Settings } from "./settings.tsx";
import { Shortcuts } from "./shortcuts.tsx";
import { Sidebar } from "./sidebar.tsx";
import type { Keeper } from "./sign-in-keeper.ts";
import { SignIn, SignInScreen } from "./sign-in.tsx";

type Around = {
  readonly facts: Facts;
  readonly keeper: Keeper;
  /** Counts the people of this tab. */
  readonly turn: Readable<number>;
};

export function App(props: Around): ReactNode {
  const language = languageOf(useReadable(preferences));
  const texts = useTexts(language);
  const formats = useMemo(() => createFormats(localeOf(language)), [language]);
  if (texts === undefined) return null;
  return (
    <div className="tl">
      <UiProvider texts={texts} formats={formats}>
        <Inside {...props} />
      </UiProvider>
    </div>
  );
}

/** The texts of a language, the former ones until they are there; English where they cannot be had. */
function useTexts(language: Language): Texts | undefined {
  const [texts, setTexts] = useState<Texts | undefined>(language === "en" ? english : undefined);
  useEffect(() => {
    let wanted = true;
    loadTexts(language)
      .catch(() => english)
      .then((loaded) => wanted && setTexts(loaded))
      .catch(() => undefined);
    return () => {
      wanted = false;
    };
  }, [language]);
  return texts;
}

/** The app; or, where guests are not let in and nobody is here, the question who it is. */
function Inside(props: Around): ReactNode {
  const person = usePerson();
  const turn = useReadable(props.turn);
  if (person === undefined && !props.facts.guests) return <SignInScreen {...props} />;
  // Another person: nothing of what the one before had open is kept.
  return <Frame key={turn} {...props} />;
}

type Dialog = "settings" | "shortcuts" | "sign-in";

function Frame({ facts, keeper }: Around): ReactNode {
  const { texts, toast } = useUi();
  const client = useClient();
  const copyText = useCopy();
  const here = useReadable(place);
  const { conversation } = here;
  const [freshId, startFresh] = useFreshId(client);
  const id = conversation ?? freshId;
  const { view } = useConversation(id);
  const [drawer, setDrawer] = useState(false);
  const [dialog, setDialog] = useState<Dialog>();
  const main = useRef<HTMLElement>(null);
  const connection = useConnection();
  const signedOut = connection.kind === "signed-out";
  const problem = useReadable(keeper.problem);
  useEffect(() => {
    if (problem !== undefined) setDialog("sign-in");
  }, [problem]);
  const closeSignIn = useCallback(() => {
    keeper.dismiss();
    setDialog((open) => (open === "sign-in" ? undefined : open));
  }, [keeper]);
  useEffect(() => {
    // Another tab has signed in: there is nothing left to ask.
    if (!signedOut && keeper.problem.getSnapshot() === undefined) closeSignIn();
  }, [signedOut, keeper, closeSignIn]);

  const focusBox = useCallback(() => main.current?.querySelector<HTMLElement>(".tl-box textarea")?.focus(), []);
  const startNew = useCallback(() => {
    setDrawer(false);
    if (conversation === undefined && view.entries.length > 0) startFresh();
    go({});
    requestAnimationFrame(focusBox);
  }, [conversation, view, startFresh, focusBox]);
  const instead = useMemo(
    () => ({
      id: freshId,
      begun() {
        go({ conversation: freshId });
        startFresh();
      },
    }),
    [freshId, startFresh],
  );
  const search = useCallback(() => {
    // At once: what is typed right after the key belongs into it.
    flushSync(() => setDrawer(true));
    document.querySelector<HTMLElement>(".app-search input")?.focus();
  }, []);
  const copyLast = useCallback(() => {
    const reply = view.entries.findLast((entry) => entry.message.role === "assistant");
    if (reply === undefined) return;
    const copy = async (): Promise<void> => {
      if (await copyText(textOf(reply.message))) toast({ text: texts.copied });
    };
    void copy();
  }, [view, copyText, texts, toast]);
  useKeys({ new: startNew, search, box: focusBox, copy: copyLast, list: () => setDialog("shortcuts") });

  // Once something was sent, the conversation has its own address.
  const began = conversation === undefined && (view.entries.length > 0 || view.queued.length > 0);
  useEffect(() => {
    if (!began) return;
    go({ conversation: freshId }, true);
    startFresh();
  }, [began, freshId, startFresh]);

  const title = view.title ?? texts.untitled;
  useEffect(() => {
    document.title = view.title === undefined ? "Throughline" : `${view.title} · Throughline`;
  }, [view.title]);
  useEffect(() => setDrawer(false), [here, id]);

  return (
    <div className="app" data-drawer={drawer}>
      <button type="button" className="tl-skip" onClick={focusBox}>
        {texts.skip}
      </button>
      <Sidebar
        current={id}
        open={drawer}
        close={() => setDrawer(false)}
        startNew={startNew}
        settings={() => setDialog("settings")}
      />
      <main ref={main} className="app-main" inert={drawer && matchMedia("(max-width: 767px)").matches}>
        <header className="app-head">
          <IconButton
            icon="menu"
            className="app-menu"
            label={texts.openSidebar}
            expanded={drawer}
            onClick={() => setDrawer(true)}
          />
          <h1 dir="auto">{title}</h1>
          <ConnectionDot />
          <IconButton icon="plus" className="app-new" label={texts.newConversation} onClick={startNew} />
        </header>
        <Chat
          id={id}
          examples={texts.examples}
          model={facts.model}
          target={here}
          begun={conversation !== undefined}
          instead={instead}
          signIn={signedOut ? () => setDialog("sign-in") : undefined}
        />
      </main>
      {dialog === "settings" && (
        <Settings
          close={() => setDialog(undefined)}
          facts={facts}
          keeper={keeper}
          shortcuts={() => setDialog("shortcuts")}
          signIn={() => setDialog("sign-in")}
        />
      )}
      {dialog === "shortcuts" && <Shortcuts close={() => setDialog(undefined)} />}
      {dialog === "sign-in" && <SignIn facts={facts} keeper={keeper} close={closeSignIn} />}
    </div>
  );
}
