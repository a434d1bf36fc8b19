// Owns the id of the conversation that has not begun yet: kept with the tab, so that a reload finds its draft again.
import { useCallback, useState } from "react";
import type { Client } from "../client/index.ts";

const key = "throughline/new";

export function useFreshId(client: Client): readonly [id: string, renew: () => void] {
  const [id, setId] = useState(() => kept() ?? keep(client.newId()));
  const renew = useCallback(() => setId(keep(client.newId())), [client]);
  return [id, renew];
}

/** The next one to be drawn begins with another. */
export const forgetFreshId = (): void => {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // Forbidden: then none was kept.
    return;
  }
};

function kept(): string | undefined {
  try {
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(id: string): string {
  try {
    sessionStorage.setItem(key, id);
    return id;
  } catch {
    // Forbidden: a reload of an unsent draft then begins anew, the draft itself is kept elsewhere.
    return id;
  }
}
