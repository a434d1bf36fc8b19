// Owns where a transcript stands: pinned to its end, held at a place, or left to the person. Positions decide, never timers.

/** Within this distance (px) of the end, scrolling down pins again. */
const pinWithin = 60;
/** Beyond this distance (px) from the end the way to the newest is offered. */
const offerBeyond = 200;
/** A sent message stands so far (px) below the upper edge. */
const sentMargin = 16;
/** Less of the content (px) than this in view is nothing to look at. */
const leastShown = 64;

export type Scroller = {
  /** Shows the end at once and follows it. */
  toEnd(smooth?: boolean): void;
  /** Puts an element near the upper edge, with room below it that shrinks as what follows it grows. */
  raise(element: HTMLElement): void;
  /** Brings an element near the upper edge, wherever it is, and leaves the place to the person. */
  show(element: HTMLElement): void;
  /** What is looked at now stays where it is, whatever becomes of what is below it. */
  keep(): void;
  /** Nothing of the former place counts any more: another conversation is shown. */
  reset(): void;
  /** The content was drawn anew: what the person looks at stays. Following the end costs no layout of its own, it waits for the frame's. */
  hold(): void;
  stop(): void;
};

export type ScrollerOptions = {
  /** The element that scrolls. Its children are `content`, then `spacer`. */
  readonly log: HTMLElement;
  readonly content: HTMLElement;
  readonly spacer: HTMLElement;
  /** Told when the distance to the end passes the limit, and when the person comes near the beginning. */
  far(on: boolean): void;
  nearStart(): void;
};

export function createScroller(options: ScrollerOptions): Scroller {
  const { log, content, spacer } = options;
  let pinned = true;
  /** Where the upper edge of the view was put; the spacer is as high as that needs. undefined: no spacer. */
  let floor: number | undefined;
  /** The position that we set ourselves, or saw last: another one comes from the person. */
  let known = log.scrollTop;
  let anchor: { element: HTMLElement; top: number } | undefined;
  /** What was shown on purpose: held on to until the person scrolls, though something else may be first in view. */
  let aim: HTMLElement | undefined;
  let isFar = false;
  let touchY = 0;

  const still = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const last = (): number => log.scrollHeight - log.clientHeight;
  const put = (top: number): void => {
    if (Math.abs(log.scrollTop - top) >= 1) log.scrollTop = top;
    known = log.scrollTop;
  };

  const fill = (): void => {
    const wanted = floor === undefined ? 0 : Math.max(0, floor + log.clientHeight - content.offsetHeight);
    if (wanted === 0) floor = undefined;
    const height = `${Math.ceil(wanted)}px`;
    if (spacer.style.height !== height) spacer.style.height = height;
  };

  /** The first thing in view, to hold on to while what is above it changes. */
  const takeAnchor = (): void => {
    const edge = log.getBoundingClientRect().top;
    const items = content.querySelectorAll<HTMLElement>("[data-entry]");
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((items[middle]?.getBoundingClientRect().bottom ?? 0) > edge) high = middle;
      else low = middle + 1;
    }
    const element = aim?.isConnected === true ? aim : items[low];
    anchor = element === undefined ? undefined : { element, top: element.getBoundingClientRect().top - edge };
  };
  const holdAnchor = (): void => {
    // What was held on to is gone with its branch, and the view may have slipped with it.
    if (anchor?.element.isConnected !== true) return floor === undefined ? undefined : put(floor);
    const moved = anchor.element.getBoundingClientRect().top - log.getBoundingClientRect().top - anchor.top;
    if (Math.abs(moved) >= 1) put(log.scrollTop + moved);
    return undefined;
  };

  const tell = (): void => {
    const far = last() - log.scrollTop - spacer.offsetHeight > offerBeyond;
    if (far !== isFar) options.far((isFar = far));
    if (log.scrollTop < log.clientHeight) options.nearStart();
  };

  const raise = (element: Element): void => {
    aim = undefined;
    const top = element.getBoundingClientRect().top - log.getBoundingClientRect().top + log.scrollTop;
    floor = Math.max(0, top - sentMargin);
    pinned = true;
    settle();
  };

  const settle = (): void => {
    fill();
    if (pinned) put(last());
    else holdAnchor();
    // Everything in view has gone: what took its place is brought into it, not an empty room.
    const end = pinned ? null : content.querySelector("[data-entry]:last-of-type");
    if (end !== null && content.offsetHeight - log.scrollTop < leastShown) return raise(end);
    takeAnchor();
    return tell();
  };

  const unpin = (): void => {
    pinned = false;
  };
  const scrolled = (): void => {
    const top = log.scrollTop;
    if (Math.abs(top - known) < 1) return;
    // The content became shorter than where the view stood, and the browser moved it: nobody scrolled.
    if (top < known && last() - top < 1) return settle();
    const down = top > known;
    known = top;
    aim = undefined;
    if (down && last() - top <= pinWithin) pinned = true;
    else if (!down) unpin();
    takeAnchor();
    tell();
  };
  const wheel = (event: WheelEvent): void => {
    if (event.deltaY < 0) unpin();
  };
  const touchStart = (event: TouchEvent): void => {
    touchY = event.touches[0]?.clientY ?? 0;
  };
  const touchMove = (event: TouchEvent): void => {
    if ((event.touches[0]?.clientY ?? 0) > touchY + 2) unpin();
  };
  const key = (event: KeyboardEvent): void => {
    const up = event.key === "ArrowUp" || event.key === "PageUp" || event.key === "Home";
    if (up || (event.key === " " && event.shiftKey)) unpin();
  };

  log.addEventListener("scroll", scrolled, { passive: true });
  log.addEventListener("wheel", wheel, { passive: true });
  log.addEventListener("touchstart", touchStart, { passive: true });
  log.addEventListener("touchmove", touchMove, { passive: true });
  log.addEventListener("keydown", key);
  // Called after layout and before the picture is drawn: a correction here is never seen as a jump.
  const sizes = new ResizeObserver(settle);
  sizes.observe(log);
  sizes.observe(content);

  return {
    toEnd(smooth = false) {
      pinned = true;
      aim = undefined;
      if (smooth && !still()) log.scrollTo({ top: last(), behavior: "smooth" });
      else settle();
    },
    raise,
    show(element) {
      unpin();
      floor = undefined;
      aim = element;
      anchor = { element, top: sentMargin };
      settle();
    },
    keep() {
      unpin();
      aim = undefined;
      floor = log.scrollTop;
      takeAnchor();
    },
    reset() {
      floor = aim = undefined;
      anchor = undefined;
      pinned = true;
      settle();
    },
    hold() {
      if (!pinned) settle();
    },
    stop() {
      sizes.disconnect();
      log.removeEventListener("scroll", scrolled);
      log.removeEventListener("wheel", wheel);
      log.removeEventListener("touchstart", touchStart);
      log.removeEventListener("touchmove", touchMove);
      log.removeEventListener("keydown", key);
    },
  };
}
