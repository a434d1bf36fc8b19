// Owns the pieces that descriptions of routes are made of. It describes no route.
import { errorCodes } from "../protocol/index.ts";
import { statusOf } from "./problem.ts";

export type Json = Readonly<Record<string, unknown>>;
type Method = "get" | "head" | "post" | "delete";
/** Routes by path and method. */
export type Paths = Readonly<Record<string, Partial<Record<Method, Json>>>>;

export const text = (description: string, type = "text/plain"): Json => ({ description, content: { [type]: {} } });
export const json = (description: string, schema: Json = { type: "object" }): Json => ({
  description,
  content: { "application/json": { schema } },
});
export const problem = (description: string): Json => ({
  description,
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/problem" } } },
});
export const person = [{ person: [] }];
export const operator = [{ operator: [] }, {}];
export const refusals = (...codes: (keyof typeof errorCodes)[]): Json =>
  Object.fromEntries(
    codes.map((code) => [String(statusOf({ code })), problem(`${code}: ${errorCodes[code].message}`)]),
  );
export const jsonBody = (schema: Json): Json => ({ required: true, content: { "application/json": { schema } } });
