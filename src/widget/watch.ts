// Owns what the page is told of the conversation and the connection, open or closed: replies that came, failures, what is under way.
import type { Client, ConversationView } from "../client/index.ts";
import type { Outside } from "./contract.ts";
import type { PlaceKeeper } from "./place.ts";

export function watch(client: Client, place: PlaceKeeper, outside: Outside): void {
  watchReplies(client, place, outside);
  watchPending(client, place, outside);
  let [said, kind] = ["", ""];
  client.connection.subscribe(() => {
    const state = client.connection.getSnapshot();
    const refused = state.kind === "reconnecting" && state.blocked === true;
    const code = state.kind === "signed-out" ? "unauthorized" : state.kind === "stopped" || refused ? "forbidden" : "";
    // Each time that somebody has asked to come in again; of what goes on by itself once.
    const isNews = code === "unauthorized" ? kind !== state.kind : code !== said;
    if (code !== "" && isNews) outside.tell({ type: "error", code });
    kind = state.kind;
    if (kind === "online" || code !== "") said = code;
  });
}

/** Follows the conversation that is shown, also while the panel is closed. */
function watchReplies(client: Client, place: PlaceKeeper, outside: Outside): void {
  let stop = (): void => undefined;
  let followed: string | undefined;
  const follow = (): void => {
    const { conversation } = place.getSnapshot();
    if (conversation === followed) return;
    followed = conversation;
    stop();
    const handle = client.conversation(conversation);
    const look = createLook(place, outside);
    stop = handle.subscribe(() => look(handle.getSnapshot()));
    look(handle.getSnapshot());
  };
  place.subscribe(follow);
  follow();
}

function createLook(place: PlaceKeeper, outside: Outside): (view: ConversationView) => void {
  const { last, begun } = place.getSnapshot();
  const known = new Set(last === undefined ? [] : [last]);
  /** What was here before the first look is no news, unless somebody waits for it: then the page was left in the middle. */
  let first = last === undefined && begun;
  let seq = -1;
  return (view) => {
    if (view.status !== "live") return;
    if (view.running !== undefined) known.delete(view.running.message);
    const end = view.entries.at(-1)?.message;
    const over = end?.role === "assistant" && end.metadata.status !== "running" ? end : undefined;
    // Another branch chosen is no new reply: the log has not grown.
    const grown = view.seq > seq;
    seq = view.seq;
    if (view.entries.length > 0) place.note({ begun: true });
    if (over !== undefined && !known.has(over.id)) {
      known.add(over.id);
      const { status = "" } = over.metadata;
      if (grown && !first) outside.tell({ type: "reply", conversation: view.id, message: over.id, status });
      place.note({ last: over.id });
    }
    first = false;
  };
}

function watchPending(client: Client, place: PlaceKeeper, outside: Outside): void {
  const failed = new Set<string>();
  let before = false;
  let stop = (): void => undefined;
  const look = (): void => {
    const items = client.pending.getSnapshot();
    for (const { message, status, error } of items) {
      if (status !== "failed" || failed.has(message)) continue;
      failed.add(message);
      outside.tell({ type: "error", code: error?.code ?? "internal" });
    }
    const view = client.conversation(place.getSnapshot().conversation).getSnapshot();
    const on = view.running !== undefined || items.some(({ status }) => status !== "failed");
    if (on !== before) outside.awake(on);
    before = on;
  };
  const follow = (): void => {
    stop();
    stop = client.conversation(place.getSnapshot().conversation).subscribe(look);
    look();
  };
  client.pending.subscribe(look);
  place.subscribe(follow);
  follow();
}
