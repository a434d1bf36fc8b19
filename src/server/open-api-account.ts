// Owns the description of the routes of what is somebody's own: export, import, the end of the account.
import { accountPath, archivePath, exportPath, importPath } from "./data-paths.ts";
import { json, jsonBody, person, refusals, text, type Paths } from "./open-api-words.ts";

const tallied = ["imported", "skipped", "messages", "cut", "refused"];

export const accountPaths: Paths = {
  [accountPath]: {
    delete: {
      summary: "Ends the account: sessions, conversations, files and their keys",
      security: person,
      requestBody: jsonBody({ type: "object", required: ["confirm"], properties: { confirm: { const: "delete" } } }),
      responses: {
        204: { description: "Nothing of it can be read any more." },
        ...refusals("invalid", "unauthorized", "forbidden", "too_large", "unsupported_media", "rate_limited"),
      },
    },
  },
  [archivePath]: {
    get: {
      summary: "Everything of a person in one zip",
      security: person,
      responses: {
        200: text("The zip, made while it is sent.", "application/zip"),
        ...refusals("unauthorized", "forbidden", "rate_limited", "overloaded"),
      },
    },
  },
  [importPath]: {
    post: {
      summary: "Takes conversations of an export of ours, or of ChatGPT's conversations.json",
      security: person,
      requestBody: jsonBody({ type: ["array", "object"] }),
      responses: {
        200: json("What became of them.", {
          type: "object",
          properties: {
            ...Object.fromEntries(tallied.map((name) => [name, { type: "integer" }])),
            problems: { type: "array", items: { type: "object" } },
          },
        }),
        ...refusals(
          "invalid",
          "unauthorized",
          "forbidden",
          "too_large",
          "unsupported_media",
          "rate_limited",
          "overloaded",
        ),
      },
    },
  },
  [exportPath("{id}")]: {
    get: {
      summary: "A conversation, to be kept or read elsewhere",
      security: person,
      parameters: [
        { name: "id", in: "path", required: true, schema: { type: "string", format: "uuid" } },
        { name: "format", in: "query", schema: { enum: ["json", "markdown"], default: "json" } },
      ],
      responses: {
        200: {
          description: "Every branch as JSON, or the newest as Markdown.",
          content: { "application/json": {}, "text/markdown": {} },
        },
        ...refusals("invalid", "unauthorized", "forbidden", "not_found", "rate_limited"),
      },
    },
  },
};
