// Owns the list of the operator's acts, in one place: whoever tests them all takes them from here. It does none itself.
import { blockRoutes } from "./admin-blocks.ts";
import { keyRoutes } from "./admin-keys.ts";
import type { AdminRoutes } from "./admin.ts";
import type { BlockList } from "./blocks.ts";

export type OperatorParts = {
  readonly blocks: BlockList;
  readonly rotateKey: Parameters<typeof keyRoutes>[0];
  readonly figures: AdminRoutes;
};

export function operatorRoutes({ blocks, rotateKey, figures }: OperatorParts): AdminRoutes {
  return { ...blockRoutes(blocks), ...keyRoutes(rotateKey), ...figures };
}
