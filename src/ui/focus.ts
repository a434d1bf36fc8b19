// Owns where the focus goes when what had it is gone: never to the page, where keys mean nothing. It draws nothing.
import { useEffect, useRef, type RefObject } from "react";

/** What has the focus in the tree that a node is in: the page, or the shadow of the chat window. */
export function focusedBeside(node: Node | null): HTMLElement | undefined {
  const scope = node?.getRootNode();
  const found = scope instanceof Document || scope instanceof ShadowRoot ? scope.activeElement : null;
  return found instanceof HTMLElement ? found : undefined;
}

/**
 * Watches a part of the page. When the element in it that has the focus is taken away, the focus goes to what `next` finds;
 * `item`: the list item or article it was in, if that is still there. Where somebody chose another place, nothing is done.
 */
export function useKeptFocus(
  part: RefObject<HTMLElement | null>,
  next: (item: Element | undefined) => HTMLElement | null | undefined,
): void {
  const latest = useRef(next);
  latest.current = next;
  useEffect(() => {
    const element = part.current;
    if (element === null) return undefined;
    let last: { readonly element: Element; readonly item: Element | null } | undefined;
    const came = ({ target }: FocusEvent): void => {
      if (target instanceof Element) last = { element: target, item: target.closest("li, article") };
    };
    const look = (): void => {
      if (last === undefined || last.element.isConnected) return;
      const { item } = last;
      last = undefined;
      const now = focusedBeside(element);
      if (now === undefined || now === document.body)
        latest.current(item?.isConnected === true ? item : undefined)?.focus({ preventScroll: true });
    };
    element.addEventListener("focusin", came);
    const changes = new MutationObserver(look);
    changes.observe(element, { childList: true, subtree: true });
    return () => {
      changes.disconnect();
      element.removeEventListener("focusin", came);
    };
  }, [part]);
}
