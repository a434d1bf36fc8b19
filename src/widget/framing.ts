// Owns the page's side of the window in a frame: the frame element, and messages of exact origin, both ways (WI03, WI05). A chunk of
// its own, fetched in this mode only.
import type { Identity, Inside, Outside, Settings, ToFrame, WidgetEvent } from "./contract.ts";

/** How long (ms) a frame may take to load, and then to answer. One that its server does not let in here never does. */
const patience = { load: 30_000, answer: 4000 };

export function mount(place: HTMLElement, settings: Settings, outside: Outside, take: () => Identity): Promise<Inside> {
  const element = document.createElement("iframe");
  const { origin } = new URL(settings.server);
  let token: Identity;
  let shown = false;
  element.className = "frame";
  element.title = settings.title;
  // No more than a chat needs. Its own origin, for its own storage; never that of this page.
  element.allow = "clipboard-write";
  element.setAttribute(
    "sandbox",
    "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads",
  );
  element.src = `${settings.server}/frame`;

  const tell = (message: ToFrame): void => element.contentWindow?.postMessage(message, origin);
  const answer = async (ask: number, fresh: boolean): Promise<void> => {
    let found: string | undefined;
    try {
      const given: unknown = typeof token === "function" ? await token({ fresh }) : fresh ? undefined : token;
      if (typeof given === "string") found = given;
    } finally {
      tell({ type: "token", ask, token: found });
    }
  };
  const inside: Inside = {
    show(focus) {
      shown = true;
      if (focus) element.focus({ preventScroll: true });
      tell({ type: "show", focus });
    },
    hide() {
      shown = false;
      tell({ type: "hide" });
    },
    send: (text) => tell({ type: "send", text }),
    identify(next) {
      token = next;
      tell({ type: "identify", known: next !== null });
    },
  };

  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new Error("The frame did not come up."));
    let timer = setTimeout(giveUp, patience.load);
    addEventListener("message", (event: MessageEvent<unknown>) => {
      if (event.source !== element.contentWindow || event.origin !== origin) return;
      const { data } = event;
      if (typeof data !== "object" || data === null || !("type" in data)) return;
      if (data.type === "mounted") {
        clearTimeout(timer);
        // Again: something has moved the frame, and it began anew.
        if (shown) tell({ type: "show", focus: false });
        resolve(inside);
      } else if (data.type === "close") outside.close();
      else if (data.type === "awake" && "on" in data) outside.awake(data.on === true);
      else if (data.type === "place" && "place" in data && typeof data.place === "string")
        outside.place.setItem(data.place);
      else if (data.type === "event" && "event" in data && isEvent(data.event)) outside.tell(data.event);
      else if (data.type === "ask" && "ask" in data && typeof data.ask === "number") {
        answer(data.ask, "fresh" in data && data.fresh === true).catch(() => undefined);
      }
    });
    // Not before: until then the frame holds another document, which is of no use here, or none.
    element.addEventListener("load", () => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, patience.answer);
      token = take();
      tell({
        type: "hello",
        settings,
        known: token === undefined ? undefined : token !== null,
        place: outside.place.getItem() ?? undefined,
      });
    });
    place.append(element);
  });
}

function isEvent(value: unknown): value is WidgetEvent {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
