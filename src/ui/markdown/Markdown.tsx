// Owns the drawing of a model's text as it grows: at most one step per frame, and none that takes the page's time away.
import { memo, useLayoutEffect, useReducer, useRef, type ReactNode } from "react";
import { grow, noBlocks, type Block } from "./blocks.ts";
import { DefinitionsContext, drawNode } from "./draw.tsx";
import { Runs } from "./runs.tsx";

/** Draws `text`. `streaming`: more of it comes; what is finished of it keeps its elements. */
export function Markdown({ text, streaming }: { readonly text: string; readonly streaming: boolean }): ReactNode {
  const paced = usePaced(text, streaming);
  const blocks = useRef(noBlocks);
  blocks.current = grow(blocks.current, paced, !streaming);
  return (
    <DefinitionsContext.Provider value={blocks.current.definitions}>
      <div className="md" dir="auto">
        <Runs items={blocks.current.shown} draw={drawBlock} className="md-group" />
      </div>
    </DefinitionsContext.Provider>
  );
}

const BlockView = memo(function BlockView({ block }: { readonly block: Block }): ReactNode {
  return drawNode(block.node, block.done);
});
const drawBlock = (block: Block, i: number): ReactNode => <BlockView key={i} block={block} />;

/** A step that took longer than this (ms) is followed by a rest, so that drawing takes a quarter of the time at most. */
const cheap = 4;

/** The text to be drawn now: the newest, but while it grows not more often than once in a frame. */
function usePaced(text: string, streaming: boolean): string {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const pace = useRef({ drawn: text, isDue: false, frame: 0, from: 0 }).current;
  const started = performance.now();
  if (!streaming || pace.isDue) pace.drawn = text;
  useLayoutEffect(() => {
    const now = performance.now();
    if (pace.isDue && now - started > cheap) pace.from = now + 3 * (now - started);
    pace.isDue = false;
    if (pace.drawn === text || pace.frame !== 0) return;
    const wait = (): void => {
      pace.frame = requestAnimationFrame(performance.now() < pace.from ? wait : step);
    };
    const step = (): void => {
      if (performance.now() < pace.from) return wait();
      pace.frame = 0;
      pace.isDue = true;
      redraw();
    };
    wait();
  });
  useLayoutEffect(
    () => () => {
      cancelAnimationFrame(pace.frame);
      pace.frame = 0;
    },
    [pace],
  );
  return pace.drawn;
}
