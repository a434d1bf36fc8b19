// Owns which conversation the window shows, kept over page loads, and left when another person comes.
import * as v from "valibot";
import { createCell, type Client, type Readable } from "../client/index.ts";
import type { PlaceStore } from "./contract.ts";

const schema = v.object({
  conversation: v.pipe(v.string(), v.uuid()),
  /** The server has had something of it. */
  begun: v.boolean(),
  /** Whose it is; absent: nobody's yet. */
  person: v.optional(v.string()),
  /** The last reply that was whole when somebody could see it. */
  last: v.optional(v.string()),
});
type Place = v.InferOutput<typeof schema>;

export type PlaceKeeper = Readable<Place> & {
  go(conversation: string, begun: boolean): void;
  begin(): void;
  note(change: Partial<Pick<Place, "begun" | "last">>): void;
};

export function keepPlace(client: Client, store: PlaceStore): PlaceKeeper {
  const fresh = (): Place => ({ conversation: client.newId(), begun: false, person: client.person.getSnapshot()?.id });
  const cell = createCell(read(store) ?? fresh());
  const put = (place: Place): void => {
    cell.set(place);
    store.setItem(JSON.stringify(place));
  };
  const look = (): void => {
    const now = client.person.getSnapshot();
    const place = cell.getSnapshot();
    if (now?.id === place.person) return;
    // A guest who signs in goes on where they are; anybody else finds nothing of the one before.
    const same = now !== undefined && (place.person === undefined || place.person === now.was);
    put(same ? { ...place, person: now.id } : fresh());
  };
  put(cell.getSnapshot());
  if (client.person.getSnapshot() !== undefined) look();
  client.person.subscribe(look);
  return {
    ...cell,
    go: (conversation, begun) => put({ ...fresh(), conversation, begun }),
    begin: () => put(fresh()),
    note(change) {
      const place = cell.getSnapshot();
      const next = { ...place, ...change };
      if (next.begun !== place.begun || next.last !== place.last) put(next);
    },
  };
}

function read(store: PlaceStore): Place | undefined {
  try {
    return v.parse(schema, JSON.parse(store.getItem() ?? "null"));
  } catch {
    return undefined;
  }
}
