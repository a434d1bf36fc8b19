// Owns what the app asks of the server beside the socket for a person's data: a file to save, a file to take, the end of the account.
import { RequestError, type Client, type Rejection } from "../client/index.ts";
import { english } from "../ui/texts.ts";

export type Tally = { readonly imported: number; readonly skipped: number; readonly refused: number };

const isCode = (code: unknown): code is Rejection["code"] =>
  typeof code === "string" && Object.hasOwn(english.errors, code);

async function fieldsOf(answer: Response): Promise<Readonly<Record<string, unknown>>> {
  const body: unknown = await answer.json().catch(() => undefined);
  return typeof body === "object" && body !== null ? Object.fromEntries(Object.entries(body)) : {};
}

const refusal = (code: Rejection["code"], more: Partial<Rejection> = {}): RequestError =>
  new RequestError({ code, message: english.errors[code], retryable: false, ...more });

async function ask(client: Client, path: string, init: { method?: string; body?: BodyInit } = {}): Promise<Response> {
  const session = client.session();
  if (session === undefined) throw refusal("unauthorized");
  const headers = new Headers({ Authorization: `Bearer ${session}` });
  if (init.body !== undefined) headers.set("Content-Type", "application/json");
  const request = fetch(path, { ...init, headers, credentials: "omit", cache: "no-store" });
  const answer = await request.catch(() => Promise.reject(refusal("unavailable", { retryable: true })));
  if (answer.ok) return answer;
  const { code, title } = await fieldsOf(answer);
  const wait = Number(answer.headers.get("Retry-After") ?? 0);
  throw refusal(isCode(code) ? code : "unavailable", {
    ...(typeof title === "string" ? { message: title } : {}),
    ...(wait > 0 ? { retryAfterMs: wait * 1000, retryable: true } : {}),
  });
}

/** Has the browser save an answer, under the name that the server gives it. */
async function save(answer: Response): Promise<void> {
  const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1];
  const url = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = decodeURIComponent(name ?? "throughline");
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export const saveConversation = async (client: Client, id: string, format: "json" | "markdown"): Promise<void> =>
  save(await ask(client, `/api/v1/conversations/${id}/export?format=${format}`));

export const saveEverything = async (client: Client): Promise<void> =>
  save(await ask(client, "/api/v1/account/export"));

export async function importFile(client: Client, file: Blob): Promise<Tally> {
  const fields = await fieldsOf(await ask(client, "/api/v1/account/import", { method: "POST", body: file }));
  const count = (name: keyof Tally): number => Number(fields[name] ?? 0);
  return { imported: count("imported"), skipped: count("skipped"), refused: count("refused") };
}

export async function deleteAccount(client: Client): Promise<void> {
  await ask(client, "/api/v1/account", { method: "DELETE", body: '{"confirm":"delete"}' });
}
