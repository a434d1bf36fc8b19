// Owns what the HTTP routes of persons have in common: who asks, what pages of other origins may read, refusals. It knows no route.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Rejection } from "../protocol/index.ts";
import type { Entrance } from "./entrance.ts";
import type { Clock } from "./ports.ts";
import { sendProblem, statusOf } from "./problem.ts";

/** How long (ms) what was refused may still be coming, so that whoever sends it reads why. */
const drainMs = 10_000;

/** Lets come what nobody reads, for a while. */
export function drain(request: IncomingMessage, clock: Pick<Clock, "after">): void {
  if (request.complete) return;
  request.resume();
  const cancel = clock.after(drainMs, () => request.destroy());
  request.once("close", cancel).once("end", cancel);
}

/** Says why not; an answer that has begun can only be broken off. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  rejection: Rejection,
  clock: Pick<Clock, "after">,
): void {
  if (response.headersSent) return void response.destroy();
  sendProblem(response, statusOf(rejection), rejection);
  drain(request, clock);
}

/** Who sends a request, by the session or token in its Authorization header. */
export function whoAsks(
  request: IncomingMessage,
  address: string | undefined,
  entrance: Pick<Entrance, "recognize">,
): ReturnType<Entrance["recognize"]> {
  const secret = /^Bearer (\S{1,12000})$/i.exec(request.headers.authorization ?? "")?.[1];
  return entrance.recognize({ address, agent: request.headers["user-agent"] }, secret);
}

/** Pages of other origins read an answer only where this says so; that they may ask at all was looked at before. */
export function allowOrigin({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader("Vary", "Origin");
  if (headers.origin === undefined) return;
  response.setHeader("Access-Control-Allow-Origin", headers.origin);
  response.setHeader("Access-Control-Expose-Headers", "Content-Disposition, Content-Range, ETag, Retry-After");
}

/** Answers a browser that asks whether it may ask. */
export function answerPreflight(response: ServerResponse, methods: string, headers: string): void {
  response.writeHead(204, {
    "Access-Control-Allow-Methods": methods,
    "Access-Control-Allow-Headers": headers,
    "Access-Control-Max-Age": "600",
  });
  response.end();
}
