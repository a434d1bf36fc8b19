// Owns what happens in this tab when one person goes and another comes: the place, the empty conversation, the session of other tabs.
import { createCell, type Client, type LocalStore, type Readable } from "../client/index.ts";
import { forgetFreshId } from "./fresh.ts";
import { go } from "./place.ts";

const key = "throughline/holder";

/**
 * Counts the people of this tab: with each, what was open is left. Not for a guest who signs in, nor for somebody whose session
 * has ended and who comes back, also over a page of an issuer.
 */
export function watchHolder(client: Client, tab: LocalStore): Readable<number> {
  const turn = createCell(0);
  const leave = (): void => {
    forgetFreshId();
    go({}, true);
    turn.set(turn.getSnapshot() + 1);
  };
  const look = (): void => {
    const person = client.person.getSnapshot();
    const before = tab.getItem(key);
    if (person === undefined) tab.removeItem(key);
    else tab.setItem(key, person.id);
    // Without a person: somebody has left on purpose.
    if (person === undefined || (before !== null && before !== person.id && before !== person.was)) leave();
  };
  if (client.person.getSnapshot() !== undefined) look();
  client.person.subscribe(look);
  return turn;
}

/** A tab whose session has ended comes in again with the one that another tab has got since. */
export function followTabs(client: Client): void {
  const look = (): void => {
    if (client.connection.getSnapshot().kind === "signed-out" && client.session() !== undefined) client.signIn();
  };
  client.connection.subscribe(look);
  addEventListener("storage", look);
}
