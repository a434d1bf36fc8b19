// Owns the demo page: the line to embed, buttons for the API, and a list of what the page is told. It is a page like anybody's.
import type { WidgetEvent } from "./contract.ts";

const mode = new URLSearchParams(location.search).get("mode") === "iframe" ? "iframe" : "shadow";
// The script's tag comes after this one: it is read when it runs.
document.querySelector<HTMLScriptElement>('script[src="/widget.js"]')?.setAttribute("data-mode", mode);

const text = (id: string, words: string): void => {
  const element = document.querySelector(`#${id}`);
  if (element !== null) element.textContent = words;
};
const isFramed = mode === "iframe";
text("line", `<script src="${location.origin}/widget.js"${isFramed ? ' data-mode="iframe"' : ""}></script>`);
const socket = location.origin.replace(/^http/, "ws");
text(
  "policy",
  isFramed
    ? `script-src ${location.origin}; frame-src ${location.origin}`
    : `script-src ${location.origin}; connect-src ${location.origin} ${socket}`,
);
const other = document.querySelector<HTMLAnchorElement>("#mode");
if (other !== null && isFramed) {
  other.href = "?";
  other.textContent = "Without a frame instead";
}

const calls = { open: "open", close: "close", toggle: "toggle" } as const;
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-call]")) {
  button.addEventListener("click", () => {
    const name = button.dataset["call"] ?? "";
    if (name === "send") window.Throughline?.send("a table");
    else if (name in calls) window.Throughline?.[calls[name as keyof typeof calls]]();
  });
}

const toggles = (id: string, act: (on: boolean) => void): void => {
  const button = document.querySelector<HTMLButtonElement>(`#${id}`);
  button?.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", `${on}`);
    act(on);
  });
};
toggles("hostile", (on) => document.documentElement.classList.toggle("hostile", on));
toggles("rtl", (on) => (document.documentElement.dir = on ? "rtl" : "ltr"));

const events = ["ready", "open", "close", "message", "reply", "unread", "error"] as const;
const note = (event: WidgetEvent): void => {
  const item = document.createElement("li");
  item.textContent = JSON.stringify(event);
  document.querySelector("#events")?.append(item);
};
// Both are deferred: by now the other script has not run, by then it has.
addEventListener("DOMContentLoaded", () => {
  for (const type of events) window.Throughline?.on(type, note);
});
