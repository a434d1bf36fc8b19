// Owns what the loader, the window and the page that carries them say to each other. Types only: whoever receives something checks it.

/** What the page wants, after the defaults. */
export type Settings = {
  /** Where the server is, without a slash at the end. */
  readonly server: string;
  readonly mode: "shadow" | "iframe";
  readonly side: "end" | "start";
  /** A language tag; the window takes the nearest that it has. */
  readonly language: string;
  readonly theme: "system" | "light" | "dark";
  /** The page's colour, as CSS has it. */
  readonly color: string | undefined;
  readonly title: string;
  readonly greeting: string | undefined;
  readonly examples: readonly string[];
  /** Which model answers, as the server says. */
  readonly model: string;
  /** Opens at the first visit; afterwards it is as it was left. */
  readonly open: boolean;
};

/** An ID token, or what gets one; `fresh`: the last one was refused or is about to end. */
type IdToken = string | ((asked: { readonly fresh: boolean }) => Promise<string | undefined> | string | undefined);

/** null: nobody is signed in; undefined: the page has said nothing. */
export type Identity = IdToken | null | undefined;

/** What a page is told. No text of a conversation is in it. */
export type WidgetEvent =
  | { readonly type: "ready" | "open" | "close" }
  | { readonly type: "message"; readonly conversation: string }
  | { readonly type: "reply"; readonly conversation: string; readonly message: string; readonly status: string }
  | { readonly type: "unread"; readonly count: number }
  /** One of the wire's codes, or `unreachable`: the window itself could not be fetched. */
  | { readonly type: "error"; readonly code: string };

/** `window.Throughline`. */
export type WidgetApi = {
  open(): void;
  close(): void;
  toggle(): void;
  /** Opens the window and sends a message in it. */
  send(text: string): void;
  /** Who it is. null: nobody any more; what that person had open is left. */
  identify(token: IdToken | null): void;
  /** Returns what ends it. */
  on(type: WidgetEvent["type"], fn: (event: WidgetEvent) => void): () => void;
};

/** The window, as the loader drives it. */
export type Inside = {
  /** `focus`: somebody has asked for it, and is about to write. */
  show(focus: boolean): void;
  hide(): void;
  send(text: string): void;
  identify(token: IdToken | null): void;
};

/** What the window asks of the loader. */
export type Outside = {
  close(): void;
  tell(event: WidgetEvent): void;
  /** A reply is being made, or something is not delivered: the next page should load the window too. */
  awake(on: boolean): void;
  /** Keeps which conversation is shown, for a frame that the browser gives no storage. */
  readonly place: PlaceStore;
};

export type PlaceStore = { getItem(): string | null; setItem(place: string): void };

/** A chunk that the loader fetches at the first opening: the window, or what holds it in a frame. Rejects where there is none to be had. */
export type WindowModule = {
  mount(place: HTMLElement, settings: Settings, outside: Outside, token: () => Identity): Inside | Promise<Inside>;
};

/** From the page to the frame. `identify`: there is a token to ask for, or no longer. */
export type ToFrame =
  | {
      readonly type: "hello";
      readonly settings: Settings;
      readonly known: boolean | undefined;
      readonly place: string | undefined;
    }
  | { readonly type: "show"; readonly focus: boolean }
  | { readonly type: "hide" }
  | { readonly type: "send"; readonly text: string }
  | { readonly type: "identify"; readonly known: boolean }
  | { readonly type: "token"; readonly ask: number; readonly token: string | undefined };

/** From the frame to the page. `ask`: the number that the token is to come with. */
export type ToHost =
  | { readonly type: "mounted" | "close" }
  | { readonly type: "awake"; readonly on: boolean }
  /** An id, which is of use to nobody without the session. */
  | { readonly type: "place"; readonly place: string }
  | { readonly type: "event"; readonly event: WidgetEvent }
  | { readonly type: "ask"; readonly ask: number; readonly fresh: boolean };

declare global {
  interface Window {
    Throughline?: WidgetApi;
  }
}
