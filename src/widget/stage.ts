// Owns the place of the window on the host page: button, badge, box, focus, full screen. It must not know what is in the box, and
// leans on nothing that pages like to change: no methods of arrays, no inline style, no style element.
import type { Settings } from "./contract.ts";
import css from "./stage.css?inline";
import { tint } from "./tint.ts";
import type { Words } from "./words.ts";

/** Where the panel has the whole screen. */
const narrow = "(max-width: 639.98px), (max-height: 419.98px)";

export type Stage = {
  /** An empty place in the box, instead of a former one. */
  fresh(): HTMLElement;
  /** The content can be seen; until then the box says that it loads. */
  ready(): void;
  /** The content could not be had. `again`: tries once more. */
  failed(again: () => void): void;
  /** `focus`: somebody has asked for it. Returns whether it has the focus now. */
  show(on: boolean, focus: boolean): boolean;
  badge(count: number): void;
  /** Whether somebody may be looking at the panel. */
  isSeen(): boolean;
};

export function createStage(
  settings: Settings,
  words: Words,
  does: { readonly toggle: () => void; readonly close: () => void },
): Stage {
  const host = document.createElement("throughline-chat");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets[0] = sheet;
  const { side, theme, title } = settings;
  tint(host, settings.color);

  const layer = make("div", { class: "layer", "data-side": side, "data-theme": theme, lang: words.lang });
  const launch = make("button", { class: "launch", part: "button", type: "button", "aria-haspopup": "dialog" });
  launch.append(drawing("M4 4h12v9H9l-4 3v-3H4z"), drawing("m5 8 5 5 5-5"));
  const badge = make("span", { class: "badge", part: "badge", "aria-hidden": "true" });
  const box = make("div", { class: "box", part: "panel", role: "dialog", "aria-label": title, tabindex: "-1" });
  const wait = make("div", { class: "wait", role: "status", dir: "auto" });
  let place = make("div", {});
  box.append(wait);
  layer.append(launch, box);
  root.append(layer);
  // Outside of the body: what is behind can be made inert, and pages that replace their body keep the button.
  document.documentElement.append(host);
  toTop(layer);

  let open = false;
  let count = 0;
  let before: HTMLElement | undefined;
  let undo: (() => void) | undefined;
  const media = matchMedia(narrow);

  const label = (): void => {
    const text = open ? words.close : count === 0 ? words.open : `${words.open}, ${count} ${words.unread}`;
    launch.setAttribute("aria-label", text);
    launch.title = text;
    launch.setAttribute("aria-expanded", `${open}`);
  };
  const fit = (): void => {
    layer.dir = getComputedStyle(document.documentElement).direction;
    const full = open && media.matches;
    layer.toggleAttribute("data-full", full);
    if (full) box.setAttribute("aria-modal", "true");
    else box.removeAttribute("aria-modal");
    if (full && undo === undefined) undo = coverPage(box);
    if (!full) undo?.();
    if (!full) undo = undefined;
  };
  const say = (text: string): void => {
    const line = make("p", {});
    line.textContent = text;
    wait.replaceChildren(line);
  };

  media.addEventListener("change", fit);
  launch.addEventListener("click", does.toggle);
  layer.addEventListener("keydown", (event) => {
    const inDialog = event.target instanceof Element && event.target.closest("dialog") !== null;
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || inDialog || !open) return;
    event.preventDefault();
    does.close();
  });
  // Pages listen for single keys; what is typed here is none of them.
  const keep = (event: Event): void => event.stopPropagation();
  layer.addEventListener("keydown", keep);
  layer.addEventListener("keypress", keep);
  layer.addEventListener("keyup", keep);
  say(words.loading);
  label();
  fit();

  return {
    fresh() {
      place.remove();
      place = make("div", { class: "place" });
      box.append(place);
      return place;
    },
    ready: () => wait.remove(),
    failed(again) {
      say(words.failed);
      const row = make("div", { class: "row" });
      row.append(
        button(words.again, () => {
          say(words.loading);
          box.focus();
          again();
        }),
        button(words.close, does.close),
      );
      wait.append(row);
      if (open) box.focus();
    },
    show(on, focus) {
      open = on;
      const now = document.activeElement;
      if (on) before = now instanceof HTMLElement ? now : undefined;
      layer.toggleAttribute("data-open", on);
      label();
      fit();
      if (on) {
        // Taken away by something that has replaced the whole page.
        if (!host.isConnected) document.documentElement.append(host);
        toTop(layer);
        // With the page behind out of reach there is no other place for it.
        const takes = focus || media.matches;
        if (takes) box.focus({ preventScroll: true });
        return takes;
      }
      // Where somebody has gone on elsewhere, the focus is theirs.
      if (now !== null && now !== host && now !== document.body) return false;
      const back = before?.isConnected === true && before !== host && before !== document.body ? before : launch;
      back.focus({ preventScroll: true });
      return false;
    },
    badge(next) {
      count = next;
      badge.textContent = count > 99 ? "99+" : `${count}`;
      if (count > 0) launch.append(badge);
      else badge.remove();
      label();
    },
    isSeen: () => open && document.visibilityState === "visible",
  };
}

/** Over everything, whatever z-index the page uses and whatever is transformed around it. Older browsers: the highest z-index. */
function toTop(layer: HTMLElement): void {
  try {
    layer.setAttribute("popover", "manual");
    if (layer.matches(":popover-open")) layer.hidePopover();
    layer.showPopover();
  } catch {
    layer.removeAttribute("popover");
  }
}

/** The page behind takes no focus and does not scroll; the box is what the keyboard leaves to be seen. Returns what undoes it. */
function coverPage(box: HTMLElement): () => void {
  const { body, documentElement } = document;
  const wasInert = body.inert;
  const value = documentElement.style.getPropertyValue("overflow");
  const priority = documentElement.style.getPropertyPriority("overflow");
  body.inert = true;
  documentElement.style.setProperty("overflow", "hidden", "important");
  const view = window.visualViewport;
  const put = (px: Readonly<Record<string, number>>): void => {
    for (const name in px) if (Object.hasOwn(px, name)) box.style.setProperty(name, `${px[name]}px`, "important");
  };
  const measure = (): void => {
    if (view === null || view.scale !== 1) return;
    const { width, height, offsetLeft: left, offsetTop: top } = view;
    put({ width, height, left, top });
  };
  measure();
  view?.addEventListener("resize", measure);
  view?.addEventListener("scroll", measure);
  return () => {
    view?.removeEventListener("resize", measure);
    view?.removeEventListener("scroll", measure);
    box.removeAttribute("style");
    body.inert = wasInert;
    documentElement.style.setProperty("overflow", value, priority);
  };
}

function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>>,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const key in attributes) if (Object.hasOwn(attributes, key)) element.setAttribute(key, attributes[key] ?? "");
  return element;
}

function button(text: string, run: () => void): HTMLElement {
  const element = make("button", { class: "again", type: "button" });
  element.textContent = text;
  element.addEventListener("click", run);
  return element;
}

function drawing(path: string): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
