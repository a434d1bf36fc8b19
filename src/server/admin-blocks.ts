// Owns the operator's acts on blocks: list, block, unblock. It keeps none itself.
import * as v from "valibot";
import { reject, stamp } from "../protocol/index.ts";
import type { AdminRoutes } from "./admin.ts";
import type { BlockList } from "./blocks.ts";
import type { BlockRecord } from "./ports.ts";

/** The longest block with an end: a hundred years. */
const longest = 100 * 365 * 86_400_000;
const printable = /^\P{C}*$/u;

const asked = v.strictObject({
  address: v.pipe(v.string(), v.maxLength(100)),
  /** Milliseconds; missing: until it is lifted. */
  forMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(longest))),
  reach: v.optional(v.picklist(["everyone", "guests"])),
  reason: v.optional(v.pipe(v.string(), v.maxLength(200), v.regex(printable))),
});

/** A block as the door tells it. Times are ISO 8601. */
const row = ({ range, reach, by, createdAt, until, reason }: BlockRecord): object => ({
  range,
  reach,
  by,
  createdAt: stamp(createdAt),
  ...(until === undefined ? {} : { until: stamp(until) }),
  ...(reason === undefined ? {} : { reason }),
});

const noAddress = (): ReturnType<typeof reject> =>
  reject("invalid", { field: "address", detail: "This is no IP address and no range such as 192.0.2.0/24." });

export function blockRoutes(blocks: BlockList): AdminRoutes {
  return {
    "GET blocks": () => {
      const list = blocks.list();
      return Promise.resolve({ status: 200, body: { blocks: list.map(row) }, audit: { count: list.length } });
    },
    "POST blocks": async ({ body }) => {
      const parsed = v.safeParse(asked, body, { abortEarly: true });
      if (!parsed.success) {
        const field = v.getDotPath(parsed.issues[0]);
        return reject("invalid", field === null ? {} : { field, detail: `The field ${field} is not valid.` });
      }
      const { address, ...how } = parsed.output;
      const made = await blocks.add(address, how);
      if (made === undefined) return noAddress();
      return {
        status: 201,
        body: row(made),
        audit: { range: made.range, reach: how.reach, minutes: how.forMs && how.forMs / 60_000 },
      };
    },
    "DELETE blocks": async ({ query }) => {
      const lifted = await blocks.lift(query.get("address") ?? "");
      if (lifted === undefined) return reject("not_found", { field: "address", detail: "There is no such block." });
      return { status: 200, body: row(lifted), audit: { range: lifted.range } };
    },
  };
}
