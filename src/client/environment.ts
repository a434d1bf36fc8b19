// Owns what the SDK asks of the place it runs in, and the defaults for browsers and Node. Everything else gets the world through it.
import { indexedDbStore } from "./indexed-db.ts";
import type { KeptStore } from "./kept.ts";
import { memoryStore, type OutboxStore } from "./outbox-store.ts";

/** Time. Milliseconds. */
export type Clock = {
  /** Since 1970. */
  now(): number;
  /** Calls `fn` once after `ms`. Returns what cancels it. */
  after(ms: number, fn: () => void): () => void;
  /** Calls `fn` before the next picture is drawn, or at once where none is drawn (a hidden tab, Node). */
  frame(fn: () => void): void;
};

/** As `localStorage`. */
export type LocalStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** The part of a WebSocket that is used. */
export type SocketLike = {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number): void;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
};
export type SocketFactory = new (url: string, protocols: string) => SocketLike;

/** What tabs of one origin have in common. Every name is the server's own. */
export type Tabs = {
  /** Tells the other tabs. */
  post(): void;
  /** Is told by the other tabs. */
  listen(fn: () => void): void;
  /** Holds a lock until the page has gone. */
  hold(name: string): void;
  /** Runs `fn` if nobody holds the lock; does nothing otherwise. */
  ifFree(name: string, fn: () => Promise<void>): Promise<void>;
  /** Runs `fn` when it is alone in holding the lock. */
  alone<T>(name: string, fn: () => Promise<T>): Promise<T>;
  close(): void;
};

export type Environment = {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A fresh UUID v7. */
  readonly uuid: () => string;
  readonly webSocket: SocketFactory;
  readonly local: LocalStore;
  readonly outbox: OutboxStore;
  /** Where `offline` keeps things; undefined: where it finds a place. */
  readonly kept: KeptStore | undefined;
  readonly tabs: Tabs;
  /** False only where it is certain that there is no network. */
  isOnline(): boolean;
  /** Whether a server answers over HTTP. Never rejects. */
  answers(url: string): Promise<boolean>;
  /** Calls `fn` whenever the network or the page comes back, or the network goes. Returns what ends it. */
  wakes(fn: () => void): () => void;
  /** Whether somebody may be looking. */
  isVisible(): boolean;
  /** Calls `fn` whenever that changes. Returns what ends it. */
  turns(fn: () => void): () => void;
};

export type EnvironmentOptions = {
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly webSocket?: SocketFactory | undefined;
  /** Where things are kept; `localStorage` and IndexedDB by default, memory where there is none. */
  readonly storage?:
    | { readonly local?: LocalStore; readonly outbox?: OutboxStore; readonly kept?: KeptStore }
    | undefined;
};

const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
  frame(fn) {
    // A hidden tab draws nothing: what waited for a frame would wait until somebody looks (B30).
    if (typeof document !== "undefined" && document.visibilityState === "visible") {
      requestAnimationFrame(() => fn());
    } else queueMicrotask(fn);
  },
};

const systemRandom = (): number => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;

/** A UUID v7: 48 bits of time, 12 of `count` (so that ids of one millisecond are in order), 62 of chance. Source: RFC 9562, 6.2. */
export function uuidAt(now: number, random: () => number, count: number): string {
  const hex = (value: number, length: number): string => Math.floor(value).toString(16).padStart(length, "0");
  const time = hex(now, 12);
  const [a, b] = [hex(count % 0x1000, 3), hex(0x8000 + random() * 0x4000, 4)];
  const c = hex(random() * 0x1000000, 6) + hex(random() * 0x1000000, 6);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${a}-${b}-${c}`;
}

/** A local store without a page: lives as long as the object. */
export function memoryLocal(): LocalStore {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

/** `localStorage` or `sessionStorage`, or memory where it is forbidden or missing. */
export function pageStore(kind: "localStorage" | "sessionStorage"): LocalStore {
  try {
    // Node has a localStorage of its own behind a flag, which warns when touched.
    if (typeof document === "undefined" || !(kind in globalThis)) return memoryLocal();
    const store = globalThis[kind];
    store.getItem("throughline");
    return guarded(store);
  } catch {
    return memoryLocal();
  }
}

/** A full or forbidden store must cost a memory only, never a message. */
function guarded(store: LocalStore): LocalStore {
  const extra = memoryLocal();
  return {
    getItem: (key) => extra.getItem(key) ?? store.getItem(key),
    setItem(key, value) {
      try {
        store.setItem(key, value);
        extra.removeItem(key);
      } catch {
        extra.setItem(key, value);
      }
    },
    removeItem(key) {
      extra.removeItem(key);
      store.removeItem(key);
    },
  };
}

function pageTabs(name: string): Tabs {
  // Clients outside of a page share nothing, and must not wait for each other.
  const page = typeof document !== "undefined";
  const locks = page ? navigator.locks : undefined;
  const channel = page && typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : undefined;
  const listeners: (() => void)[] = [];
  if (channel !== undefined) channel.onmessage = () => listeners.forEach((fn) => fn());
  let release: () => void = () => undefined;
  return {
    post: () => channel?.postMessage(1),
    listen: (fn) => void listeners.push(fn),
    hold(lock) {
      // Rejected when the page goes: that is the end it is held for.
      locks
        ?.request(`${name}/${lock}`, () => new Promise<void>((resolve) => (release = resolve)))
        .catch(() => undefined);
    },
    async ifFree(lock, fn) {
      if (locks === undefined) return fn();
      await locks.request(`${name}/${lock}`, { ifAvailable: true }, async (held) => {
        if (held !== null) await fn();
      });
      return undefined;
    },
    alone: async (lock, fn) => (locks === undefined ? fn() : locks.request(`${name}/${lock}`, fn)),
    close() {
      channel?.close();
      release();
    },
  };
}

const isVisible = (): boolean => typeof document === "undefined" || document.visibilityState === "visible";

function pageTurns(fn: () => void): () => void {
  if (typeof document === "undefined") return () => undefined;
  document.addEventListener("visibilitychange", fn);
  return () => document.removeEventListener("visibilitychange", fn);
}

function pageWakes(fn: () => void): () => void {
  if (typeof window === "undefined" || typeof document === "undefined") return () => undefined;
  const seen = (): void => {
    if (isVisible()) fn();
  };
  const names = ["online", "offline", "pageshow"];
  for (const name of names) window.addEventListener(name, fn);
  document.addEventListener("visibilitychange", seen);
  return () => {
    for (const name of names) window.removeEventListener(name, fn);
    document.removeEventListener("visibilitychange", seen);
  };
}

/** The answer of another origin is opaque: that there is one says enough. */
async function answers(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(5000);
    const { ok, type } = await fetch(url, { mode: "no-cors", cache: "no-store", credentials: "omit", signal });
    return ok || type === "opaque";
  } catch {
    return false;
  }
}

/** The world as it is here, with what the options replace. `name` tells one server's things from another's. */
export function createEnvironment(name: string, options: EnvironmentOptions): Environment {
  const { clock = systemClock, random = systemRandom, storage } = options;
  let ids = 0;
  return {
    clock,
    random,
    uuid: () => uuidAt(clock.now(), random, ids++),
    webSocket: options.webSocket ?? globalThis.WebSocket,
    local: storage?.local ?? pageStore("localStorage"),
    outbox: storage?.outbox ?? (typeof indexedDB === "undefined" ? memoryStore() : indexedDbStore(name)),
    kept: storage?.kept,
    tabs: pageTabs(name),
    isOnline: () => typeof navigator === "undefined" || !("onLine" in navigator) || navigator.onLine,
    answers,
    wakes: pageWakes,
    isVisible,
    turns: pageTurns,
  };
}
