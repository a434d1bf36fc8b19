// Owns `/frame`, the page around the window in a frame: it speaks with its parent only, only where the server lists it, and only by
// messages of exact origin (WI03, WI05). A token comes by message and stays in memory.
import * as v from "valibot";
import type { Identity, Inside, Outside, PlaceStore, ToHost } from "./contract.ts";
import { tint } from "./tint.ts";
import { mount } from "./window.tsx";

const facts = v.object({ model: v.string(), parents: v.union([v.literal("*"), v.array(v.string())]) });
const settings = v.object({
  server: v.string(),
  mode: v.picklist(["shadow", "iframe"]),
  side: v.picklist(["end", "start"]),
  language: v.string(),
  theme: v.picklist(["system", "light", "dark"]),
  color: v.optional(v.string()),
  title: v.string(),
  greeting: v.optional(v.string()),
  examples: v.array(v.string()),
  model: v.string(),
  open: v.boolean(),
});
const message = v.variant("type", [
  v.object({ type: v.literal("hello"), settings, known: v.optional(v.boolean()), place: v.optional(v.string()) }),
  v.object({ type: v.literal("show"), focus: v.boolean() }),
  v.object({ type: v.literal("hide") }),
  v.object({ type: v.literal("send"), text: v.string() }),
  v.object({ type: v.literal("identify"), known: v.boolean() }),
  v.object({ type: v.literal("token"), ask: v.number(), token: v.optional(v.string()) }),
]);
type Said = v.InferOutput<typeof message>;

function readFacts(): v.InferOutput<typeof facts> {
  const text = document.querySelector<HTMLMetaElement>('meta[name="throughline"]')?.content ?? "";
  try {
    return v.parse(facts, JSON.parse(text));
  } catch {
    return { model: "", parents: [] };
  }
}

const { model, parents } = readFacts();
const isParent = (origin: string): boolean =>
  origin === location.origin || (parents === "*" ? origin !== "null" : parents.includes(origin));

/** Set by the first message of a parent that is listed; from then on nobody else is heard. */
let parentOrigin: string | undefined;
let inside: Inside | undefined;
let asks = 0;
const waiting = new Map<number, (token: string | undefined) => void>();

function say(text: ToHost): void {
  if (parentOrigin !== undefined) window.parent.postMessage(text, parentOrigin);
}
const askToken = ({ fresh }: { readonly fresh: boolean }): Promise<string | undefined> =>
  new Promise((resolve) => {
    const ask = ++asks;
    waiting.set(ask, resolve);
    say({ type: "ask", ask, fresh });
  });
/** A function of its own each time: another person may have come. */
const tokenOf = (known: boolean | undefined): Identity =>
  known === true ? (asked) => askToken(asked) : known === false ? null : undefined;

const outside: Omit<Outside, "place"> = {
  close: () => say({ type: "close" }),
  tell: (event) => say({ type: "event", event }),
  awake: (on) => say({ type: "awake", on }),
};

function begin(said: Extract<Said, { type: "hello" }>): void {
  const place = document.querySelector("#window")?.attachShadow({ mode: "open" });
  if (place === undefined || inside !== undefined) return;
  const root = document.createElement("div");
  root.className = "tw-frame";
  place.append(root);
  if (place.host instanceof HTMLElement) tint(place.host, said.settings.color);
  document.documentElement.lang = said.settings.language;
  document.title = said.settings.title;
  // Where it is and what it says of its model, this page knows better than its parent.
  const own = {
    greeting: undefined,
    color: undefined,
    ...said.settings,
    server: new URL(".", location.href).href,
    model,
  };
  const store: PlaceStore = {
    getItem: () => said.place ?? null,
    setItem: (next) => say({ type: "place", place: next }),
  };
  inside = mount(root, own, { ...outside, place: store }, () => tokenOf(said.known));
  say({ type: "mounted" });
}

function hear(said: Said): void {
  switch (said.type) {
    case "hello":
      return begin(said);
    case "show":
      return inside?.show(said.focus);
    case "hide":
      return inside?.hide();
    case "send":
      return inside?.send(said.text);
    case "identify":
      return inside?.identify(tokenOf(said.known) ?? null);
    case "token":
      waiting.get(said.ask)?.(said.token);
      return void waiting.delete(said.ask);
    default:
      return said satisfies never;
  }
}

addEventListener("message", ({ source, origin, data }: MessageEvent<unknown>) => {
  if (source !== window.parent || source === window || !isParent(origin)) return;
  if (parentOrigin !== undefined && origin !== parentOrigin) return;
  const said = v.safeParse(message, data);
  if (!said.success) return;
  parentOrigin = origin;
  hear(said.output);
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
  const inDialog = event.composedPath().some((part) => part instanceof HTMLDialogElement);
  if (!inDialog) outside.close();
});
