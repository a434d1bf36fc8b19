// Owns the contract of the operator's routes, a part of the OpenAPI document.
import { json, operator, refusals, type Paths } from "./open-api-words.ts";

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

/** By path. */
export const operatorPaths: Paths = {
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
                reach: { enum: ["everyone", "guests"], default: "everyone" },
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
