// Owns the chunk that the loader fetches at the first opening: one client, the styles of the shadow, the first drawing.
import { createRoot } from "react-dom/client";
import { createCell, createClient, pageStore, socketUrl, type Token } from "../client/index.ts";
import { ThroughlineProvider } from "../react/index.ts";
import chat from "../ui/chat.css?inline";
import markdown from "../ui/markdown/markdown.css?inline";
import tokens from "../ui/tokens.css?inline";
import type { Identity, Inside, Outside, PlaceStore, Settings } from "./contract.ts";
import { loadMarkdown } from "./late-markdown.tsx";
import { Panel, type Shown } from "./panel.tsx";
import { keepPlace } from "./place.ts";
import { watch } from "./watch.ts";
import own from "./window.css?inline";

/** `place` is in a shadow root: nothing of the page's styles reaches it, and nothing of ours the page. */
export function mount(place: HTMLElement, settings: Settings, outside: Outside, take: () => Identity): Inside {
  dress(place.getRootNode());
  loadMarkdown();
  let token = take();
  const ask: Token = (asked) =>
    typeof token === "function" ? token(asked) : asked.fresh ? undefined : (token ?? undefined);
  if (token === null) forgetSession(settings.server);
  const client = createClient({ url: settings.server, guest: true, name: "throughline-window", token: ask });
  const here = keepPlace(
    client,
    settings.mode === "shadow" || hasStorage() ? ownPlace(settings.server) : outside.place,
  );
  const shown = createCell<Shown>("no");
  const leave = async (): Promise<void> => {
    await client.logout();
    client.signIn();
  };
  watch(client, here, outside);
  createRoot(place).render(
    <ThroughlineProvider client={client}>
      <Panel settings={settings} place={here} shown={shown} outside={outside} />
    </ThroughlineProvider>,
  );
  outside.tell({ type: "ready" });
  return {
    show: (focus) => shown.set(focus ? "focused" : "quietly"),
    hide: () => shown.set("no"),
    send(text) {
      const { conversation } = here.getSnapshot();
      client.conversation(conversation).send(text);
      outside.tell({ type: "message", conversation });
    },
    identify(next) {
      if (next === token) return;
      const before = token ?? null;
      token = next;
      const person = client.person.getSnapshot();
      if (next !== null) client.signIn(ask);
      else if (before !== null || (person !== undefined && person.guest !== true)) void leave();
    },
  };
}

/** Of somebody who was signed in to the page, and is no more: who opens the window now is not them. A guest's stays. */
function forgetSession(server: string): void {
  const local = pageStore("localStorage");
  const key = `throughline:${socketUrl(server)}/session`;
  if (!/"guest":true/.test(local.getItem(key) ?? "")) local.removeItem(key);
}

/** Private windows, and browsers that block third-party data, give a frame of another site none. */
function hasStorage(): boolean {
  try {
    return typeof localStorage === "object";
  } catch {
    return false;
  }
}

function ownPlace(server: string): PlaceStore {
  const local = pageStore("localStorage");
  const key = `throughline-window:${socketUrl(server)}`;
  return { getItem: () => local.getItem(key), setItem: (place) => local.setItem(key, place) };
}

/** Once for a shadow root. Made by script: no style element, so that a page's policy has nothing to forbid. */
function dress(root: Node): void {
  if (!(root instanceof ShadowRoot)) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync([tokens, chat, markdown, own].join("\n"));
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
