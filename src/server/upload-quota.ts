// Owns how many files and bytes of them a person may send: set aside before they come, settled after. It knows no file.
import { isGuest } from "../domain/records.ts";
import { reject, type Rejection } from "../protocol/index.ts";
import { createPace } from "./pace.ts";
import type { Policy } from "./policy.ts";
import type { Clock, Spending } from "./ports.ts";

/** What one upload has set aside. */
export type UploadGrant = {
  /** There are more bytes than were announced. A rejection: they do not fit. */
  reach(bytes: number): Rejection | undefined;
  /** It was kept, with so many bytes. */
  settle(bytes: number): void;
  /** It came to nothing: all of it is free again. After `settle` it does nothing. */
  release(): void;
};

export type UploadQuota = {
  load(): Promise<void>;
  /** `key`: that of the address, where all guests are counted together as well. `bytes`: how many are announced. */
  begin(asked: { user: string; key: string | undefined; bytes: number }): UploadGrant | Rejection;
  /** Forgets somebody who is gone. */
  drop(user: string): void;
  flush(): Promise<void>;
  forget(): void;
};

/** Bytes of one person, or of all guests of an address, in a day that begins with the first. `endsAt` is monotonic (RL08). */
type Purse = {
  readonly key: string;
  readonly limit: number;
  spent: number;
  reserved: number;
  since: number;
  endsAt: number;
};

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** How long (ms) to wait for uploads that are on their way. */
const soonMs = 2000;
/** The keys under which the bytes are kept, beside the tokens. */
export const uploadKey = "upload:";

export function createUploadQuota(options: { policy: Policy; clock: Clock; spending: Spending }): UploadQuota {
  const { policy, clock, spending } = options;
  const hour = createPace(clock, hourMs);
  const purses = new Map<string, Purse>();
  /** Uploads under way, by the keys of purses: nobody takes all the places. */
  const underWay = new Map<string, number>();
  const dirty = new Set<Purse>();
  const limitsOf = (user: string): Policy["guest"] => (isGuest(user) ? policy.guest : policy.user);
  const addressKey = (key: string): string => `address:${key}`;
  const limitOf = (key: string): number =>
    key.startsWith(addressKey("")) ? policy.address.guestUploadBytesPerDay : limitsOf(key).uploadBytesPerDay;

  const atOnceOf = (key: string): number =>
    key.startsWith(addressKey("")) ? policy.address.guestUploadsAtOnce : limitsOf(key).uploadsAtOnce;
  const addTo = (key: string, more: number): void => {
    const count = (underWay.get(key) ?? 0) + more;
    if (count > 0) underWay.set(key, count);
    else underWay.delete(key);
  };

  const purse = (key: string): Purse => {
    const fresh = { key, limit: limitOf(key), spent: 0, reserved: 0, since: 0, endsAt: Number.NEGATIVE_INFINITY };
    const known = purses.get(key) ?? fresh;
    const now = clock.monotonic();
    if (now >= known.endsAt) Object.assign(known, { spent: 0, since: clock.now(), endsAt: now + dayMs });
    purses.set(key, known);
    return known;
  };

  /** A sentence with the number: what is left of the day's bytes. */
  const full = ({ limit, spent, endsAt }: Purse, more: number): Rejection => {
    // Where only what is on its way is in the way, it may be free again soon.
    const retryAfterMs = spent + more <= limit ? soonMs : Math.max(1, endsAt - clock.monotonic());
    const detail = `Files of ${limit} bytes may be sent in a day; ${Math.max(0, limit - spent)} are left.`;
    return reject("quota_exceeded", { field: "file", limit, retryAfterMs, detail });
  };

  return {
    async load() {
      const now = clock.now();
      for (const { key: kept, tokens, since } of await spending.all(now - dayMs)) {
        if (!kept.startsWith(uploadKey)) continue;
        const key = kept.slice(uploadKey.length);
        // A day that begins in the future begins now: nobody is shut out for longer than one.
        const left = Math.min(dayMs, since + dayMs - now);
        purses.set(key, {
          key,
          limit: limitOf(key),
          spent: tokens,
          reserved: 0,
          since,
          endsAt: clock.monotonic() + left,
        });
      }
    },
    begin({ user, key, bytes }) {
      const keys = isGuest(user) && key !== undefined ? [user, addressKey(key)] : [user];
      const crowded = keys.find((one) => (underWay.get(one) ?? 0) >= atOnceOf(one));
      if (crowded !== undefined) {
        const limit = atOnceOf(crowded);
        const detail = `${limit} files may be on their way at once.`;
        return reject("rate_limited", { field: "file", limit, retryAfterMs: soonMs, detail });
      }
      const wait = hour.take(user, limitsOf(user).uploadsPerHour);
      if (wait > 0) {
        const detail = `${limitsOf(user).uploadsPerHour} files may be sent in an hour.`;
        return reject("rate_limited", {
          field: "file",
          limit: limitsOf(user).uploadsPerHour,
          retryAfterMs: wait,
          detail,
        });
      }
      const own = keys.map(purse);
      let reserved = 0;
      let open = true;
      const reach = (total: number): Rejection | undefined => {
        const more = total - reserved;
        if (more <= 0) return undefined;
        const short = own.find((one) => one.spent + one.reserved + more > one.limit);
        if (short !== undefined) return full(short, total);
        for (const one of own) one.reserved += more;
        reserved = total;
        return undefined;
      };
      const end = (): void => {
        open = false;
        for (const one of keys) addTo(one, -1);
        for (const one of own) one.reserved -= reserved;
      };
      const refused = reach(bytes);
      if (refused !== undefined) {
        hour.giveBack(user);
        return refused;
      }
      for (const one of keys) addTo(one, 1);
      return {
        reach,
        settle(kept) {
          if (!open) return;
          end();
          for (const one of own) {
            one.spent += kept;
            if (one.limit !== Number.POSITIVE_INFINITY) dirty.add(one);
          }
        },
        release() {
          if (!open) return;
          end();
          hour.giveBack(user);
        },
      };
    },
    drop(user) {
      const own = purses.get(user);
      purses.delete(user);
      if (own !== undefined) dirty.delete(own);
    },
    async flush() {
      const changed = [...dirty];
      if (changed.length === 0) return;
      dirty.clear();
      try {
        await spending.put(changed.map(({ key, spent, since }) => ({ key: uploadKey + key, tokens: spent, since })));
      } catch (error) {
        for (const one of changed) dirty.add(one);
        throw error;
      }
    },
    forget() {
      const now = clock.monotonic();
      for (const { key, endsAt, reserved } of purses.values()) {
        if (now >= endsAt && reserved <= 0) purses.delete(key);
      }
    },
  };
}
