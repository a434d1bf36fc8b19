// Owns what a client does after a close code and how long it waits. Pure.
import { closeCodes } from "../protocol/rejections.ts";

/** Longest wait before the first attempt, and the cap that it doubles up to, in milliseconds. */
const firstWait = 500;
const longestWait = 20_000;
/** An overloaded server is left alone for at least this long, in milliseconds. */
const slowerWait = 2000;

/** Full jitter: uniform in [0, min(20 s, 0.5 s × 2^attempt)). Source: AWS, "Exponential Backoff And Jitter". */
export function backoff(attempt: number, random: () => number): number {
  return random() * Math.min(longestWait, firstWait * 2 ** Math.min(attempt, 16));
}

/** What follows from the end of a socket. `wait` in milliseconds; `firm`: not even a network that comes back cuts it short. */
export type AfterClose =
  | { readonly do: "reconnect"; readonly wait: number; readonly firm: boolean; readonly skipFrame: boolean }
  | { readonly do: "new-token" }
  | { readonly do: "sign-in" }
  | { readonly do: "stop" };

const isKnown = (code: number): code is keyof typeof closeCodes => code in closeCodes;

/** `attempt` counts the tries since a connection last held. `reason` is that of the close frame. */
export function afterClose(code: number, reason: string, attempt: number, random: () => number): AfterClose {
  const action = isKnown(code) ? closeCodes[code].action : "reconnect";
  const again = { do: "reconnect", firm: false, skipFrame: false } as const;
  switch (action) {
    case "reconnect":
    case "skip-frame":
      return { ...again, wait: backoff(attempt, random), skipFrame: action === "skip-frame" };
    case "reconnect-slower":
      return { ...again, wait: slowerWait + backoff(attempt + 2, random), firm: true };
    case "wait": {
      const seconds = Number.parseFloat(reason);
      const asked = seconds >= 0 && seconds < Number.POSITIVE_INFINITY ? Math.min(seconds, 3600) * 1000 : longestWait;
      // A little later than asked, so that all who were told the same do not come together.
      return { ...again, wait: asked + random() * firstWait, firm: true };
    }
    case "new-token":
      return { do: "new-token" };
    case "sign-in":
      return { do: "sign-in" };
    case "stop":
      return { do: "stop" };
    default:
      return action satisfies never;
  }
}
