// Owns an OpenAI-compatible model server for tests: real HTTP, every behaviour on request. Importable, and a process of its own.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { parseArgs } from "node:util";
import { healthy, parseDirective, type Behaviour } from "./model-server-behaviour.ts";
import { sendReply, type Progress } from "./model-server-reply.ts";
import { expectedText, proseText } from "./model-server-text.ts";

export { expectedText, pieces, proseText } from "./model-server-text.ts";
export type { Behaviour } from "./model-server-behaviour.ts";

export type ReceivedMessage = { readonly role: string; readonly content: unknown };

/** One request as it was received, and what became of it. Times in milliseconds since 1970. */
export type RequestRecord = Progress & {
  readonly index: number;
  readonly at: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly messages: readonly ReceivedMessage[];
  readonly behaviour: Behaviour;
  /** What the reply would be, whole; of a continued one, the rest. */
  readonly text: string;
  /** A trailing assistant message was no beginning of the text. */
  readonly mismatch: boolean;
  /** How it ended: `finished` (all sent), `aborted` (the client left first), `cut` (the server's doing); undefined while it runs. */
  outcome: "finished" | "aborted" | "cut" | undefined;
  endedAt: number | undefined;
};

export type ModelServer = {
  /** Base for `OPENAI_BASE_URL`, ends in /v1. */
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  readonly requests: RequestRecord[];
  /** How many TCP connections were opened so far. */
  connections(): number;
  /** The behaviour of the next request that has none in its prompt; first in, first out. */
  enqueue(...behaviours: Behaviour[]): void;
  close(): Promise<void>;
};

/** `prefill`: goes on from a trailing assistant message; else such a request is refused with 400, as some providers do. */
export type ModelServerOptions = {
  readonly port?: number | undefined;
  readonly prefill?: boolean | undefined;
  /** What a request without a directive gets when the queue is empty. */
  readonly behaviour?: Behaviour | undefined;
  /** Answers 401 to any other bearer. */
  readonly key?: string | undefined;
  /** Ids that /v1/models and /api/tags list. Default: test-model. */
  readonly models?: readonly string[] | undefined;
};

const json = (response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
};

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

const textOf = (content: unknown): string => {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => {
      const text = typeof part === "object" && part !== null && "text" in part ? part.text : "";
      return typeof text === "string" ? text : "";
    })
    .join("");
};

function retryHeaders(retry: string | undefined): Record<string, string> {
  if (retry === undefined) return {};
  if (retry.startsWith("ms:")) return { "retry-after-ms": retry.slice(3) };
  if (retry.startsWith("date:")) {
    return { "retry-after": new Date(Date.now() + Number(retry.slice(5)) * 1000).toUTCString() };
  }
  return { "retry-after": retry };
}

function isMessage(value: unknown): value is ReceivedMessage {
  return (
    typeof value === "object" &&
    value !== null &&
    "role" in value &&
    typeof value.role === "string" &&
    "content" in value
  );
}

function parseObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("no object");
  return Object.fromEntries(Object.entries(value));
}

export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const requests: RequestRecord[] = [];
  const queue: Behaviour[] = [];
  const seen = new Map<string, number>();
  const models = options.models ?? ["test-model"];
  let connections = 0;

  const choose = (prompt: string): Behaviour => {
    const behaviour = parseDirective(prompt) ?? queue.shift() ?? options.behaviour ?? {};
    const before = seen.get(prompt) ?? 0;
    seen.set(prompt, before + 1);
    return before >= (behaviour.times ?? Infinity) ? healthy(behaviour) : behaviour;
  };

  const complete = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = parseObject(await readBody(request));
    const messages = Array.isArray(body["messages"]) ? body["messages"].filter(isMessage) : [];
    const behaviour = choose(textOf(messages.findLast((m) => m.role === "user")?.content));
    const seed = behaviour.seed ?? 1;
    const textFor = behaviour.prose === true ? proseText : expectedText;
    const whole = behaviour.empty === true ? "" : (behaviour.text ?? textFor(seed, behaviour.chars ?? 200));
    const last = messages.at(-1);
    const begun = last?.role === "assistant" ? textOf(last.content) : "";
    const record: RequestRecord = {
      index: requests.length,
      at: Date.now(),
      headers: request.headers,
      body,
      messages,
      behaviour,
      text: whole.slice(begun.length),
      mismatch: !whole.startsWith(begun),
      outcome: undefined,
      endedAt: undefined,
      deltas: 0,
      chars: 0,
      bytes: 0,
      hold: behaviour.hold,
    };
    requests.push(record);
    const end = (outcome: RequestRecord["outcome"]): void => {
      record.outcome ??= outcome;
      record.endedAt ??= Date.now();
    };
    response.once("finish", () => end("finished"));
    response.once("close", () => end(behaviour.cut === record.deltas ? "cut" : "aborted"));

    if (options.key !== undefined && request.headers.authorization !== `Bearer ${options.key}`) {
      const shown = request.headers.authorization ?? "none";
      return json(response, 401, {
        error: {
          message: `Incorrect API key provided: ${shown}.`,
          type: "invalid_request_error",
          code: "invalid_api_key",
        },
      });
    }
    if (behaviour.reset === true) return void request.socket.destroy();
    if (behaviour.redirect === true) {
      response.writeHead(307, { location: `http://${request.headers.host ?? ""}/v1/chat/completions` }).end();
      return;
    }
    if (behaviour.fail !== undefined) {
      const error = { message: behaviour.message ?? "It failed.", type: "test_error", code: behaviour.code ?? null };
      return json(response, behaviour.fail, { error }, retryHeaders(behaviour.retry));
    }
    if (begun !== "" && options.prefill !== true) {
      return json(response, 400, {
        error: { message: "The last message must not be the assistant's.", type: "invalid_request_error" },
      });
    }
    const reasoning = begun === "" ? expectedText(seed + 1, behaviour.reasoning ?? 0) : "";
    if (behaviour.plain === true || body["stream"] !== true) {
      const message = {
        role: "assistant",
        content: record.text,
        ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
      };
      const usage = { prompt_tokens: messages.length, completion_tokens: 1 };
      return json(response, 200, {
        object: "chat.completion",
        choices: [{ index: 0, message, finish_reason: behaviour.finish ?? "stop" }],
        usage,
      });
    }
    await sendReply(response, behaviour, { text: record.text, reasoning, promptTokens: messages.length }, record);
  };

  const route = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url = "/" } = request;
    if (method === "POST" && url.startsWith("/v1/chat/completions")) return complete(request, response);
    if (url === "/v1/models")
      return json(response, 200, { object: "list", data: models.map((id) => ({ id, object: "model" })) });
    if (url === "/api/tags") return json(response, 200, { models: models.map((name) => ({ name, model: name })) });
    // For whoever runs it as a process of its own.
    if (method === "GET" && url === "/requests") return json(response, 200, requests);
    if (method === "DELETE" && url === "/requests") {
      requests.length = 0;
      return json(response, 200, {});
    }
    if (method === "POST" && url === "/behaviours") {
      queue.push(parseObject(await readBody(request)));
      return json(response, 200, {});
    }
    return json(response, 404, { error: { message: "There is nothing here.", type: "not_found" } });
  };

  const server = createServer((request, response) => {
    route(request, response).catch((error: unknown) => {
      // A mistake in a test must be seen in the test: 500 with its words.
      if (!response.headersSent) json(response, 500, { error: { message: String(error), type: "test_server" } });
      else response.destroy();
    });
  });
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    connections++;
    socket.setNoDelay(true);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const origin = `http://127.0.0.1:${address.port}`;
  return {
    url: `${origin}/v1`,
    origin,
    port: address.port,
    requests,
    connections: () => connections,
    enqueue: (...behaviours) => void queue.push(...behaviours),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (import.meta.main) {
  // Started with an IPC channel, it does not outlive whoever started it.
  if (process.connected) process.once("disconnect", () => process.exit());
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      prefill: { type: "boolean" },
      behaviour: { type: "string" },
      key: { type: "string" },
    },
  });
  const server = await startModelServer({
    port: values.port === undefined ? undefined : Number(values.port),
    prefill: values.prefill,
    behaviour: values.behaviour === undefined ? undefined : parseDirective(`{{${values.behaviour}}}`),
    key: values.key,
  });
  console.log(JSON.stringify({ url: server.url, origin: server.origin, pid: process.pid }));
}
