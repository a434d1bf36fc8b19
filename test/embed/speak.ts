// A minimal speaker of the wire for tests of embedding: sign in, send, wait for the reply.
import { once } from "node:events";
import type { Server } from "node:http";
import { WebSocket } from "ws";

export async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return `127.0.0.1:${address.port}`;
}

export type Answer = { text: string; finished: Record<string, unknown>; kinds: string[]; user: unknown };

type Frame = {
  type: string;
  id?: string;
  error?: { code: string };
  user?: unknown;
  events?: ({ kind: string; text?: string } & Record<string, unknown>)[];
};

/** Sends `text` and resolves with the whole reply, or rejects with the error's or close code. */
export function ask(address: string, auth: object, text: string): Promise<Answer> {
  const ws = new WebSocket(`ws://${address}/api/v1/async/chatbot`, ["throughline.v1"]);
  const conversation = crypto.randomUUID();
  const answer: Answer = { text: "", finished: {}, kinds: [], user: undefined };
  const send = (frame: object): void => ws.send(JSON.stringify(frame));
  return new Promise((resolve, reject) => {
    ws.on("open", () => send({ type: "auth", id: "auth", ...auth }));
    ws.on("error", reject);
    ws.on("close", (code) => reject(new Error(`closed ${code}`)));
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      if (frame.type === "error") reject(new Error(frame.error?.code));
      if (frame.id === "auth") {
        answer.user = frame.user;
        send({
          type: "message.send",
          id: "send",
          conversation,
          message: crypto.randomUUID(),
          parts: [{ type: "text", text }],
        });
      } else if (frame.id === "send") send({ type: "conversation.open", id: "open", conversation, seq: 0 });
      for (const event of frame.events ?? []) {
        answer.kinds.push(event.kind);
        if (event.kind === "reply.appended") answer.text += event.text ?? "";
        if (event.kind === "turn.finished") {
          ws.close();
          resolve({ ...answer, finished: event });
        }
      }
    });
  });
}
