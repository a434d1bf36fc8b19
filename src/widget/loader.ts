// Owns `/widget.js`, the one script that a page takes: the button, `window.Throughline`, and fetching the rest when it is wanted.
import type { Identity, Inside, Outside, WidgetApi, WidgetEvent, WindowModule } from "./contract.ts";
import { readMemory, textIn, writeMemory } from "./memory.ts";
import { readSettings } from "./settings.ts";
import { createStage, type Stage } from "./stage.ts";
import { wordsFor } from "./words.ts";

/** What the server says of itself: which model answers. Put in by the server, as one URI component. */
const facts = "throughline-facts";

type Listener = { readonly type: WidgetEvent["type"]; readonly fn: (event: WidgetEvent) => void; on: boolean };

function modelOf(): string {
  try {
    return textIn(decodeURIComponent(facts), "model") ?? "";
  } catch {
    // Served by something that puts nothing in.
    return "";
  }
}

function start(script: HTMLScriptElement): WidgetApi {
  const settings = readSettings((name) => script.getAttribute(name), {
    src: script.src,
    language: document.documentElement.lang || navigator.language,
    model: modelOf(),
    titleFor: (language) => wordsFor(language).title,
  });
  const { server } = settings;
  const memory = `throughline-widget:${server}`;
  const kept = readMemory(memory);
  let { unread, place } = kept;
  let open = false;
  let awake = false;
  let ready = false;
  let token: Identity;
  /** The one that the window has. */
  let given: Identity;
  let loading: Promise<Inside> | undefined;
  let stage: Stage | undefined;
  let listeners: { readonly listener: Listener; readonly next: typeof listeners } | undefined;

  const call = (listener: Listener, event: WidgetEvent): void => {
    if (!listener.on || listener.type !== event.type) return;
    try {
      listener.fn(event);
    } catch (error) {
      // The page's mistake: reported as one, and no concern of the window.
      setTimeout(() => {
        throw error;
      });
    }
  };
  const tell = (event: WidgetEvent): void => {
    for (let at = listeners; at !== undefined; at = at.next) call(at.listener, event);
  };
  const keep = (): void => writeMemory(memory, { open, awake, unread, place });
  const count = (): number => (unread === "" ? 0 : (unread.match(/ /g)?.length ?? 0) + 1);
  const setUnread = (next: string): void => {
    if (next === unread) return;
    unread = next;
    keep();
    stage?.badge(count());
    tell({ type: "unread", count: count() });
  };
  const framed = settings.mode === "iframe";
  const outside: Outside = {
    close: () => show(false),
    tell(event) {
      if (event.type === "ready") ready = true;
      // Ids, so that the tabs of a site that all hear of one reply count it once.
      const isNew = event.type === "reply" && stage?.isSeen() !== true && !unread.includes(event.message);
      tell(event);
      if (event.type === "reply" && isNew) setUnread(unread === "" ? event.message : `${unread} ${event.message}`);
    },
    awake(on) {
      awake = on;
      keep();
    },
    place: {
      getItem: () => place ?? null,
      setItem(next) {
        place = next;
        keep();
      },
    },
  };

  const take = (): Identity => (given = token);
  const fetchWindow = async (): Promise<Inside> => {
    // A name that lasts: this page may have been open while the server got a newer build.
    const path = framed ? "/widget-framing.js" : "/widget-window.js";
    const module: unknown = await import(/* @vite-ignore */ server + path);
    if (!isWindow(module)) throw new Error("This is not the chat window.");
    return module.mount(stage?.fresh() ?? document.createElement("div"), settings, outside, take);
  };
  const load = (): Promise<Inside> => {
    loading ??= fetchWindow().then(
      (inside) => {
        stage?.ready();
        return inside;
      },
      (error: unknown) => {
        loading = undefined;
        tell({ type: "error", code: "unreachable" });
        stage?.failed(() => within((inside) => (open ? inside.show(true) : undefined)));
        throw error;
      },
    );
    return loading;
  };
  /** Does something in the window, now or when it is there. What cannot be done is told by then. */
  const within = (act: (inside: Inside) => void): void => void load().then(act, () => undefined);

  const show = (on: boolean, focus = true): void => {
    if (on === open) return;
    open = on;
    keep();
    const focused = stage?.show(on, focus) === true;
    if (on) {
      setUnread("");
      within((inside) => (open ? inside.show(focused) : undefined));
    } else if (loading !== undefined) within((inside) => (open ? undefined : inside.hide()));
    tell({ type: on ? "open" : "close" });
  };

  const draw = (): void => {
    stage = createStage(settings, wordsFor(settings.language), { toggle: () => show(!open), close: () => show(false) });
    stage.badge(count());
    if (kept.open ?? settings.open) show(true, false);
    else if (kept.awake) within(() => undefined);
    addEventListener("storage", (event) => {
      // Another tab has read it.
      if (event.key === memory) setUnread(stage?.isSeen() === true ? "" : readMemory(memory).unread);
    });
    document.addEventListener("visibilitychange", () => {
      if (stage?.isSeen() === true) setUnread("");
    });
  };

  /** Until there is a page to draw on, what is asked for waits, in order. */
  const drawn = (act: () => void): void => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", act, { once: true });
    else act();
  };
  drawn(draw);

  return {
    open: () => drawn(() => show(true)),
    close: () => drawn(() => show(false)),
    toggle: () => drawn(() => show(!open)),
    send(text) {
      if (typeof text !== "string" || text.trim() === "") return;
      drawn(() => {
        show(true);
        within((inside) => inside.send(text));
      });
    },
    identify(next) {
      token = next;
      if (next === null) setUnread("");
      if (loading !== undefined) within((inside) => (given === token ? undefined : inside.identify(take() ?? null)));
    },
    on(type, fn) {
      const listener = { type, fn, on: true };
      listeners = { listener, next: listeners };
      // Whoever comes later is told too.
      if (type === "ready" && ready) void Promise.resolve().then(() => call(listener, { type }));
      return () => void (listener.on = false);
    },
  };
}

const isWindow = (value: unknown): value is WindowModule =>
  typeof value === "object" && value !== null && "mount" in value && typeof value.mount === "function";

const script = document.currentScript ?? document.querySelector('script[src$="/widget.js"]');
// A page that has the script twice, or loads it again on each of its views, has one window.
if (script instanceof HTMLScriptElement && typeof window.Throughline?.open !== "function") {
  window.Throughline = start(script);
}
