// Owns one request of a command at the running server's door, and what its answer means to the operator. It prints nothing.

/** Where the server is, and what lets a command in. */
export type Server = { readonly host: string; readonly port: number; readonly token: string | undefined };
export type DoorAnswer =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly sentence: string };

/** How long (ms) a command waits for its answer: putting everything under a new key takes a while. */
const patience = 120_000;

/** The address at which a server that listens on `host` is reached from this machine. */
export function urlOf({ host, port }: Pick<Server, "host" | "port">): string {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

export async function ask(
  server: Server,
  { method, path, body }: { method: string; path: string; body?: object },
): Promise<DoorAnswer> {
  const url = urlOf(server);
  const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
  if (server.token !== undefined) headers["Authorization"] = `Bearer ${server.token}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}/api/v1/admin/${path}`, {
      method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(patience),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch {
    const sentence = `No Throughline answers at ${url}. Start it, or say with HOST and PORT where it is.`;
    return { ok: false, sentence };
  }
  const answer = parse(text);
  if (response.ok) return { ok: true, body: answer };
  return { ok: false, sentence: sentenceOf(response.status, answer, server, url) };
}

function sentenceOf(status: number, answer: Problem, { token }: Server, url: string): string {
  // The door does not show itself to those who may not come in: then nothing is said of a field.
  if (status === 404 && answer.field === undefined) {
    return token === undefined
      ? `The server at ${url} does not let this command in, or does not know it. Set ADMIN_TOKEN to the one that it was started with.`
      : `The server at ${url} does not take this ADMIN_TOKEN, or does not know this command.`;
  }
  return answer.title ?? `The server at ${url} answered with status ${status}.`;
}

type Problem = { readonly title?: string; readonly field?: string };

/** The body of an answer; of a problem, what it says. */
function parse(text: string): Problem {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
