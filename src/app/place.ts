// Owns the address: which conversation is shown, and going from one to another without loading the page.
import { createCell, type Readable } from "../client/index.ts";

/** `conversation` undefined: a new one. `message`: one to bring into view. */
export type Place = { readonly conversation: string | undefined; readonly message: string | undefined };

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

function read(): Place {
  const [, id] = /^\/c\/([^/]+)$/.exec(location.pathname) ?? [];
  const message = location.hash.slice(1);
  return {
    conversation: id !== undefined && uuid.test(id) ? id.toLowerCase() : undefined,
    message: uuid.test(message) ? message : undefined,
  };
}

const cell = createCell(read());
addEventListener("popstate", () => cell.set(read()));

export const place: Readable<Place> = cell;

export const pathOf = (conversation: string | undefined, message?: string): string =>
  (conversation === undefined ? "/" : `/c/${conversation}`) + (message === undefined ? "" : `#${message}`);

export function go(to: { conversation?: string | undefined; message?: string | undefined }, replace = false): void {
  const path = pathOf(to.conversation, to.message);
  if (replace) history.replaceState(null, "", path);
  else if (path !== location.pathname + location.hash) history.pushState(null, "", path);
  cell.set(read());
}
