// Owns how many files and bytes of them a person may send: set aside before they come, settled after. It knows no file.
import { isGuest } from "../domain/records.ts";
import { reject, type Rejection } from "../protocol/index.ts";
import { createPace } from "./pace.ts";
import type { Policy } from "./policy.ts";
import { Purses, soonMs, type Purse } from "./purses.ts";
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

const hourMs = 3_600_000;
export function createUploadQuota(options: { policy: Policy; clock: Clock; spending: Spending }): UploadQuota {
  const { policy, clock, spending } = options;
  const hour = createPace(clock, hourMs);
  /** Uploads under way, by the keys of purses: nobody takes all the places. */
  const underWay = new Map<string, number>();
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

  const purses = new Purses({ clock, spending, kind: "upload:", limitOf });

  /** A sentence with the number: what is left of the day's bytes. */
  const full = (purse: Purse, more: number): Rejection => {
    const { limit, spent } = purse;
    const detail = `Files of ${limit} bytes may be sent in a day; ${Math.max(0, limit - spent)} are left.`;
    return reject("quota_exceeded", { field: "file", limit, retryAfterMs: purses.wait(purse, more), detail });
  };

  return {
    load: () => purses.load(),
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
      const own = keys.map((one) => purses.at(one));
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
          for (const one of own) purses.spend(one, kept);
        },
        release() {
          if (!open) return;
          end();
          hour.giveBack(user);
        },
      };
    },
    drop: (user) => purses.drop(user),
    flush: () => purses.flush(),
    forget: () => purses.forget(),
  };
}
