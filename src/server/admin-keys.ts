// Owns the operator's act on the master key. It sees no key.
import { isRejection } from "../domain/records.ts";
import type { Rejection } from "../protocol/index.ts";
import type { AdminRoutes } from "./admin.ts";

export function keyRoutes(rotate: () => Promise<{ readonly rewrapped: number } | Rejection>): AdminRoutes {
  return {
    "POST rotate-key": async () => {
      const rotated = await rotate();
      if (isRejection(rotated)) return rotated;
      const { rewrapped } = rotated;
      return { status: 200, body: { rewrapped }, audit: { rewrapped } };
    },
  };
}
