// Owns the contract of the HTTP routes as OpenAPI 3.1. A route that the server has and this has not fails a test.
import { errorCodes, fileUrl, filesPath } from "../protocol/index.ts";
import { socketPath } from "./gate.ts";
import { accountPaths } from "./open-api-account.ts";
import { json, person, problem, refusals, text, type Json, type Paths } from "./open-api-words.ts";

const operator = [{ operator: [] }, {}];
const file = {
  type: "object",
  required: ["id", "name", "mediaType", "bytes", "sha256"],
  properties: {
    id: { type: "string", pattern: "^[0-9a-f]{32}$" },
    name: { type: "string", description: "As it is shown: cleaned, 255 bytes at most." },
    mediaType: { type: "string", description: "What its bytes are, whatever its sender called it." },
    bytes: { type: "integer" },
    sha256: { type: "string", description: "Of its bytes, in hex." },
  },
};
const block = {
  type: "object",
  properties: {
    range: { type: "string" },
    reach: { enum: ["everyone", "guests"] },
    by: { enum: ["operator", "score"] },
    createdAt: { type: "string", format: "date-time" },
    until: { type: "string", format: "date-time" },
    reason: { type: "string" },
  },
};
const isHere = { 200: text("It is so.") };

/** Every route by its path, behind `/api/v1/admin/` those of the operator. */
const paths: Paths = {
  [socketPath]: {
    get: {
      summary: "The WebSocket endpoint: see the AsyncAPI document",
      responses: {
        101: { description: "It is a socket now." },
        426: problem("An upgrade is needed."),
        ...refusals("invalid", "forbidden", "rate_limited"),
      },
    },
  },
  [filesPath]: {
    post: {
      summary: "Keeps a file, whole or not at all",
      security: person,
      requestBody: {
        required: true,
        content: {
          "multipart/form-data": {
            schema: {
              type: "object",
              required: ["file"],
              properties: { file: { type: "string", contentMediaType: "application/octet-stream" } },
            },
          },
        },
      },
      responses: {
        201: json("It is kept. A message takes it within half an hour.", file),
        ...refusals(
          "invalid",
          "unauthorized",
          "forbidden",
          "too_large",
          "unsupported_media",
          "rate_limited",
          "unavailable",
        ),
      },
    },
  },
  [fileUrl("{id}")]: {
    get: {
      summary: "The bytes of a file, or one range of them",
      security: person,
      parameters: [
        { name: "id", in: "path", required: true, schema: { type: "string" } },
        { name: "Range", in: "header", schema: { type: "string" } },
        { name: "If-Range", in: "header", schema: { type: "string" } },
      ],
      responses: {
        200: text("All of it.", "*/*"),
        206: text("The range.", "*/*"),
        416: problem("It has no such range."),
        ...refusals("unauthorized", "forbidden", "not_found"),
      },
    },
  },
  ...accountPaths,
  "/healthz": { get: { summary: "The process lives", responses: isHere } },
  "/readyz": { get: { summary: "It takes new work", responses: { ...isHere, 503: text("It starts, or leaves.") } } },
  "/metrics": {
    get: {
      summary: "Figures in Prometheus' format",
      security: operator,
      responses: { 200: text("The figures."), 404: problem("Not for you.") },
    },
  },
  "/api/v1/asyncapi.json": { get: { summary: "The socket's contract", responses: { 200: json("AsyncAPI 3.") } } },
  "/api/v1/openapi.json": { get: { summary: "This document", responses: { 200: json("OpenAPI 3.1.") } } },
  "/docs": { get: { summary: "Both, to be read", responses: { 200: text("A page.", "text/html") } } },
  "/": { get: { summary: "The app", responses: { 200: text("A page.", "text/html") } } },
  "/widget.js": {
    get: { summary: "The chat window for pages of others", responses: { 200: text("A script.", "text/javascript") } },
  },
  "/api/v1/admin/figures": {
    get: { summary: "The last hour in figures", security: operator, responses: { 200: json("The figures.") } },
  },
  "/api/v1/admin/blocks": {
    get: {
      summary: "Who is shut out",
      security: operator,
      responses: {
        200: json("The blocks.", { type: "object", properties: { blocks: { type: "array", items: block } } }),
      },
    },
    post: {
      summary: "Shuts out an address or a range",
      security: operator,
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: {
              type: "object",
              required: ["address"],
              additionalProperties: false,
              properties: {
                address: { type: "string" },
                forMs: { type: "integer", minimum: 1 },
                reason: { type: "string", maxLength: 200 },
              },
            },
          },
        },
      },
      responses: { 201: json("It is shut out.", block), ...refusals("invalid", "too_large", "unsupported_media") },
    },
    delete: {
      summary: "Lifts a block",
      security: operator,
      parameters: [{ name: "address", in: "query", required: true, schema: { type: "string" } }],
      responses: { 200: json("What was lifted.", block), ...refusals("not_found") },
    },
  },
  "/api/v1/admin/connections": {
    get: {
      summary: "The latest connections, with who is behind them",
      security: operator,
      responses: {
        200: json("How many there are, and the newest hundred.", {
          type: "object",
          properties: { count: { type: "integer" }, connections: { type: "array", items: { type: "object" } } },
        }),
      },
    },
    delete: {
      summary: "Closes a connection (1001); its client may come back",
      security: operator,
      parameters: [{ name: "number", in: "query", required: true, schema: { type: "integer" } }],
      responses: { 200: json("It is closed.", { type: "object" }), ...refusals("not_found") },
    },
  },
  "/api/v1/admin/people": {
    get: {
      summary: "What people use today: tokens, sockets, replies being made",
      security: operator,
      responses: {
        200: json("How many there are, and the hundred who used most.", {
          type: "object",
          properties: { count: { type: "integer" }, people: { type: "array", items: { type: "object" } } },
        }),
      },
    },
  },
  "/api/v1/admin/sessions": {
    get: {
      summary: "Where a person is signed in",
      security: operator,
      parameters: [{ name: "user", in: "query", required: true, schema: { type: "string" } }],
      responses: { 200: json("The live sessions.", { type: "object" }) },
    },
    delete: {
      summary: "Ends one session of a person, or all",
      security: operator,
      parameters: [
        { name: "user", in: "query", required: true, schema: { type: "string" } },
        { name: "session", in: "query", required: false, schema: { type: "string" } },
      ],
      responses: { 200: json("How many ended.", { type: "object" }), ...refusals("not_found") },
    },
  },
  "/api/v1/admin/rotate-key": {
    post: {
      summary: "Makes a new master key and puts everything under it",
      security: operator,
      responses: { 200: json("How many keys were wrapped anew."), ...refusals("conflict") },
    },
  },
};

/** The whole document. `version`: that of the server. */
export function openApi(version: string) {
  return {
    openapi: "3.1.0",
    info: {
      title: "Throughline",
      version,
      description:
        "What is beside the socket. Refusals are application/problem+json with a code of the one table. No cookie counts, no credential in a URL.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{}],
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, methods]) => [
        path,
        Object.fromEntries(
          Object.entries(methods).map(([method, one]): [string, Json] => [
            method,
            { operationId: `${method} ${path}`.replaceAll(/\W+/g, "_").replace(/_$/, ""), ...one },
          ]),
        ),
      ]),
    ),
    components: {
      securitySchemes: {
        person: {
          type: "http",
          scheme: "bearer",
          description: "An ID token, or the session token that auth answered.",
        },
        operator: {
          type: "http",
          scheme: "bearer",
          description: "ADMIN_TOKEN, for /metrics METRICS_TOKEN; without one, only from this machine.",
        },
      },
      schemas: {
        problem: {
          type: "object",
          required: ["type", "title", "status", "code"],
          properties: {
            type: { type: "string" },
            title: { type: "string" },
            status: { type: "integer" },
            code: { enum: Object.keys(errorCodes) },
            field: { type: "string" },
            limit: { type: "number", description: "The number that was exceeded." },
          },
        },
      },
    },
  };
}
