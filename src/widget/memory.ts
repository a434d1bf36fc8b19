// Owns what the host page's origin keeps of the window, in both modes: open or not, awake or not, which replies are unread, and for a
// frame without a storage which conversation it shows. Nothing of a session.

export type Memory = {
  /** As the person left it; undefined: never opened or closed here. */
  readonly open: boolean | undefined;
  readonly awake: boolean;
  /** Ids of unread replies, separated by blanks. */
  readonly unread: string;
  /** undefined: the window keeps it itself. */
  readonly place: string | undefined;
};

/** A field of a text of JSON, if it is a text. What is not JSON has none. */
export const textIn = (json: string, name: string): string | undefined => {
  const found = fieldIn(json, name);
  return typeof found === "string" ? found : undefined;
};

function fieldIn(json: string, name: string): unknown {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  } catch {
    return undefined;
  }
}

export function readMemory(key: string): Memory {
  const json = stored(key);
  const open = fieldIn(json, "open");
  return {
    open: typeof open === "boolean" ? open : undefined,
    awake: fieldIn(json, "awake") === true,
    unread: textIn(json, "unread") ?? "",
    place: textIn(json, "place"),
  };
}

function stored(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    // Forbidden.
    return "";
  }
}

export function writeMemory(key: string, memory: Memory): void {
  try {
    localStorage.setItem(key, JSON.stringify(memory));
  } catch {
    // Full or forbidden: the next page begins closed.
    return;
  }
}
