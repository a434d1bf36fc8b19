// Owns the real clock and the real source of chance; the only file of the server that touches them.
import { randomBytes, randomUUID } from "node:crypto";
import type { Clock } from "./ports.ts";

/** A UUID v7: 48 bits of milliseconds, then chance. Source: RFC 9562, section 5.7. */
function uuidV7(now: number): string {
  const time = now.toString(16).padStart(12, "0");
  const random = randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout | undefined = setTimeout(fn, ms);
    return () => {
      clearTimeout(timer);
      // Who may cancel it keeps this function, often for as long as a socket: not the timer and all that it would call.
      timer = undefined;
    };
  },
  soon(fn) {
    setImmediate(fn);
  },
  random: () => Math.random(),
  uuid: () => uuidV7(Date.now()),
  secret: (bytes) => randomBytes(bytes).toString("base64url"),
};
