// Owns the page's side of the window in a frame: the frame element, and messages of exact origin, both ways (WI03, WI05). A chunk of
// its own, fetched in this mode only.
import type { Frame, Host, IdToken, Inside, Settings, ToFrame, WidgetEvent } from "./contract.ts";

/** How long (ms) a frame may take to come up. One that its server does not let in here never does. */
const patience = 15_000;

export function createFrame(settings: Settings, host: Host, known: IdToken | null): Frame {
  const element = document.createElement("iframe");
  const { origin } = new URL(settings.server);
  let token = known;
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
    show() {
      element.focus({ preventScroll: true });
      tell({ type: "show" });
    },
    hide: () => tell({ type: "hide" }),
    send: (text) => tell({ type: "send", text }),
    identify(next) {
      token = next;
      tell({ type: "identify", known: next !== null });
    },
  };

  return {
    element,
    inside: new Promise((resolve, reject) => {
      const give = setTimeout(() => reject(new Error("The frame did not come up.")), patience);
      addEventListener("message", (event: MessageEvent<unknown>) => {
        if (event.source !== element.contentWindow || event.origin !== origin) return;
        const { data } = event;
        if (typeof data !== "object" || data === null || !("type" in data)) return;
        if (data.type === "mounted") {
          clearTimeout(give);
          resolve(inside);
        } else if (data.type === "close") host.close();
        else if (data.type === "awake" && "on" in data) host.awake(data.on === true);
        else if (data.type === "place" && "place" in data && typeof data.place === "string")
          host.place.setItem(data.place);
        else if (data.type === "event" && "event" in data && isEvent(data.event)) host.tell(data.event);
        else if (data.type === "ask" && "ask" in data && typeof data.ask === "number") {
          answer(data.ask, "fresh" in data && data.fresh === true).catch(() => undefined);
        }
      });
      // Not before: until then the frame holds another document, which is of no use here, or none.
      element.addEventListener("load", () =>
        tell({ type: "hello", settings, known: token !== null, place: host.place.getItem() ?? undefined }),
      );
    }),
  };
}

function isEvent(value: unknown): value is WidgetEvent {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
