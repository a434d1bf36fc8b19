// Owns the page on which Markdown is drawn for tests: what it shows is told from outside, and what happens in it can be asked.
import { createRoot } from "react-dom/client";
import { englishMarkdownTexts, loadMaths, MarkdownContext } from "../../src/ui/markdown/context.ts";
import { Markdown } from "../../src/ui/markdown/Markdown.tsx";

const surroundings = {
  texts: englishMarkdownTexts,
  headingLevel: 3,
  copy: async (text: string): Promise<boolean> => {
    await navigator.clipboard.writeText(text);
    return true;
  },
};

const place = document.querySelector("main");
if (place === null) throw new Error("The page has no place to draw in.");
const root = createRoot(place);

export type Stage = {
  readonly show: (text: string, streaming: boolean) => void;
  /** Streams a text, `size` characters in every frame; resolves when all is drawn. */
  readonly stream: (text: string, size: number) => Promise<void>;
  /** Streams it and tells which elements of finished blocks were changed or replaced on the way, as `index: what`. */
  readonly watch: (text: string, size: number, least: number) => Promise<readonly string[]>;
  /** From now on a frame comes as soon as the page has time for it: for what does not hang on the pace. */
  readonly hurry: () => void;
  /** Draws a formula. How long (ms) it took, and what is drawn. */
  readonly drawMaths: (
    tex: string,
  ) => Promise<{ readonly took: number; readonly drawn: boolean; readonly html: string }>;
};

const show: Stage["show"] = (text, streaming) =>
  root.render(
    <MarkdownContext.Provider value={surroundings}>
      <Markdown text={text} streaming={streaming} />
    </MarkdownContext.Provider>,
  );

const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));

async function stream(text: string, size: number, look: () => void = () => {}): Promise<void> {
  for (let at = size; at < text.length; at += size) {
    show(text.slice(0, at), true);
    await frame();
    look();
  }
  show(text, false);
  await frame();
  await frame();
  look();
}

const hurry = (): void => {
  let count = 0;
  Object.assign(globalThis, {
    requestAnimationFrame: (callback: FrameRequestCallback) => {
      const { port1, port2 } = new MessageChannel();
      port1.addEventListener("message", () => callback(performance.now()), { once: true });
      port1.start();
      port2.postMessage(undefined);
      return ++count;
    },
  });
};

/** Parts of the page that are finished: all blocks, items and rows but the last two of each. */
const finished = (): readonly Element[] =>
  [
    ".md-group > *",
    ".md-group > .md-list > li",
    ".md-group > .md-scroll tbody > tr",
    ".md-group > .md-code .md-chunk",
  ].flatMap((selector) => [...document.querySelectorAll(selector)].slice(0, -2));

const watch: Stage["watch"] = async (text, size, least) => {
  const known = new Map<Element, string>();
  const faults: string[] = [];
  const look = (): void => {
    for (const [element, html] of known) {
      if (!element.isConnected) faults.push(`gone: ${html.slice(0, 80)}`);
      else if (element.outerHTML !== html) faults.push(`changed: ${html.slice(0, 80)}`);
    }
    if (faults.length > 0) return;
    // A list or table at the end grows by its parts: it is looked at by them.
    const growing = document.querySelector(".md-group:last-child > :last-child");
    for (const element of finished())
      if (element !== growing && !known.has(element)) known.set(element, element.outerHTML);
  };
  await stream(text, size, look);
  return known.size < least ? [`only ${known.size} were finished`] : faults;
};

const drawMaths: Stage["drawMaths"] = async (tex) => {
  const draw = await loadMaths();
  const element = document.createElement("span");
  document.body.append(element);
  let [drawn, took] = [false, Infinity];
  // The shortest of three: what it costs, not what else the machine does.
  for (let i = 0; i < 3; i++) {
    const started = performance.now();
    drawn = draw(tex, element, true);
    took = Math.min(took, performance.now() - started);
  }
  const html = element.outerHTML;
  await frame();
  element.remove();
  return { took, drawn, html };
};

const stage: Stage = { show, stream: (text, size) => stream(text, size), watch, hurry, drawMaths };
Object.assign(globalThis, { stage });
