// Owns the contract of the HTTP routes as OpenAPI 3.1. A route that the server has and this has not fails a test.
import { errorCodes, fileUrl, filesPath } from "../protocol/index.ts";
import { socketPath } from "./gate.ts";
import { accountPaths } from "./open-api-account.ts";
import { operatorPaths } from "./open-api-operator.ts";
import { json, operator, person, problem, refusals, text, type Json, type Paths } from "./open-api-words.ts";

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
  ...operatorPaths,
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
