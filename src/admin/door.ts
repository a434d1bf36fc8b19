// Owns the operator's page's requests: the secret in the tab's storage, the header, the answers checked. It draws nothing.
import * as v from "valibot";

const count = v.record(v.string(), v.number());
const slice = v.object({
  at: v.string(),
  sockets: v.number(),
  messages: v.number(),
  tokens: v.number(),
  resumes: v.number(),
  errors: count,
  firstMs: v.optional(v.object({ p50: v.number(), p95: v.number(), p99: v.number() })),
});
const figures = v.object({
  now: v.string(),
  everySeconds: v.number(),
  sockets: v.object({ waiting: v.number(), signedIn: v.number(), queuedBytes: v.number() }),
  models: v.array(v.object({ name: v.string(), circuit: v.picklist(["open", "closed"]) })),
  slices: v.array(slice),
});
export type Figures = v.InferOutput<typeof figures>;
const block = v.object({
  range: v.string(),
  reach: v.string(),
  by: v.string(),
  until: v.optional(v.string()),
  reason: v.optional(v.string()),
});
export type Block = v.InferOutput<typeof block>;
const blocks = v.object({ blocks: v.array(block) });
const connections = v.object({
  count: v.number(),
  connections: v.array(
    v.object({
      number: v.number(),
      since: v.string(),
      user: v.optional(v.string()),
      device: v.string(),
      place: v.string(),
      queuedBytes: v.number(),
    }),
  ),
});
export type Connections = v.InferOutput<typeof connections>;
const person = v.object({
  user: v.string(),
  sockets: v.number(),
  turns: v.number(),
  tokens: v.number(),
  limit: v.optional(v.number()),
});
const people = v.object({ count: v.number(), people: v.array(person) });
export type People = v.InferOutput<typeof people>;
const session = v.object({ id: v.string(), device: v.string(), place: v.string(), lastSeenAt: v.string() });
export type Session = v.InferOutput<typeof session>;
const sessions = v.object({ sessions: v.array(session) });

/** Why there is nothing to show: the door is shut, or a sentence. */
export class Refused extends Error {
  readonly shut: boolean;
  constructor(sentence: string, shut: boolean) {
    super(sentence);
    this.shut = shut;
  }
}

/** What stands in a form's field. */
export function fieldOf(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === "string" ? value.trim() : "";
}

const place = "throughline-admin";
/** Kept until the tab is closed. It is sent as a header and never as a cookie: no other site can use it. */
export const keepToken = (token: string): void => sessionStorage.setItem(place, token);
export const hasToken = (): boolean => sessionStorage.getItem(place) !== null;
export const forgetToken = (): void => sessionStorage.removeItem(place);

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const token = sessionStorage.getItem(place);
  const headers: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(`/api/v1/admin/${path}`, {
      method,
      headers,
      credentials: "omit",
      cache: "no-store",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refused("The server does not answer.", false);
  }
  if (response.ok) return response.json();
  if (response.status === 404 && path === "figures") {
    throw new Refused(token === null ? "" : "The server does not take this token.", true);
  }
  if (response.status === 404 && method === "DELETE") throw new Refused("It had ended already.", false);
  throw new Refused(
    response.status === 400 ? "This is no IP address and no range." : "The server refused this.",
    false,
  );
}

export const readFigures = async (): Promise<Figures> => v.parse(figures, await ask("GET", "figures"));
export const readBlocks = async (): Promise<Block[]> => v.parse(blocks, await ask("GET", "blocks")).blocks;
export const addBlock = (address: string, minutes: number | undefined): Promise<unknown> =>
  ask("POST", "blocks", minutes === undefined ? { address } : { address, forMs: minutes * 60_000 });
export const liftBlock = (range: string): Promise<unknown> =>
  ask("DELETE", `blocks?address=${encodeURIComponent(range)}`);
export const readConnections = async (): Promise<Connections> => v.parse(connections, await ask("GET", "connections"));
export const disconnect = (number: number): Promise<unknown> => ask("DELETE", `connections?number=${number}`);
export const readPeople = async (): Promise<People> => v.parse(people, await ask("GET", "people"));
export const readSessions = async (user: string): Promise<Session[]> =>
  v.parse(sessions, await ask("GET", `sessions?user=${encodeURIComponent(user)}`)).sessions;
export const revoke = (user: string, id: string): Promise<unknown> =>
  ask("DELETE", `sessions?user=${encodeURIComponent(user)}&session=${encodeURIComponent(id)}`);
