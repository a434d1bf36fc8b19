// Owns what stands between load tester and server and does wrong: frames in, others out. It exists so that the verdict can fail.
import { onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";

type Wire = Record<string, unknown>;
/** Each frame to those that go on in its place, to the server and from it. `answer` sends one back to the tester. */
type Between = {
  readonly up?: (frame: Wire, answer: (frame: Wire) => void) => Wire[];
  readonly down?: (frame: Wire) => Wire[];
};

/** Stands between tester and server. `most`: how many sockets were open at once. */
export async function startBetween(
  target: string,
  { up = (frame) => [frame], down = (frame) => [frame] }: Between,
): Promise<{ url: string; most: () => number }> {
  let most = 0;
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (front) => {
    most = Math.max(most, [...server.clients].filter(({ readyState }) => readyState === WebSocket.OPEN).length);
    const back = new WebSocket(`${target.replace("http", "ws")}/api/v1/async/chatbot`, "throughline.v1");
    const early: Wire[] = [];
    const send = (frame: Wire): void => {
      if (back.readyState === WebSocket.OPEN) back.send(JSON.stringify(frame));
      else early.push(frame);
    };
    front.on("message", (data: Buffer) => {
      for (const frame of up(JSON.parse(data.toString()) as Wire, (own) => front.send(JSON.stringify(own))))
        send(frame);
    });
    back.on("open", () => {
      for (const frame of early) back.send(JSON.stringify(frame));
    });
    back.on("message", (data: Buffer) => {
      for (const frame of down(JSON.parse(data.toString()) as Wire)) front.send(JSON.stringify(frame));
    });
    back.on("error", () => undefined);
    front.on("close", () => back.close());
    back.on("close", () => front.close());
  });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, most: () => most };
}

type Piece = { kind: string; message?: unknown; text: string; length: number };
const eventsOf = (frame: Wire): Piece[] => (frame["type"] === "events" ? (frame["events"] as Piece[]) : []);
const pieceOf = (frame: Wire): Piece | undefined => eventsOf(frame).findLast(({ kind }) => kind === "reply.appended");
/** Strikes the first time that it finds what it strikes at. */
export function once(strike: (frame: Wire) => Wire[] | undefined): (frame: Wire) => Wire[] {
  let struck = false;
  return (frame) => {
    const changed = struck ? undefined : strike(frame);
    struck ||= changed !== undefined;
    return changed ?? [frame];
  };
}

/** What can be wrong between people and the log: the fault that has to be named, and how it is made. */
export const wrongs: Record<string, [fault: string, make: () => Between, ...more: string[]]> = {
  "one letter of a reply is another": [
    "changed",
    () => ({
      down: once((frame) => {
        const piece = pieceOf(frame);
        if (piece !== undefined) piece.text = `#${piece.text.slice(1)}`;
        return piece && [frame];
      }),
    }),
  ],
  "a frame with pieces is lost": [
    "gaps",
    () => ({ down: once((frame) => (pieceOf(frame) !== undefined && eventsOf(frame).length === 1 ? [] : undefined)) }),
  ],
  "a message is sent twice, under two ids": [
    "doubled",
    () => {
      let last: Wire = {};
      return {
        up(frame) {
          if (frame["type"] === "message.send") last = frame;
          const again = { ...last, id: crypto.randomUUID(), message: crypto.randomUUID() };
          return frame["type"] === "conversation.close" ? [again, frame] : [frame];
        },
      };
    },
  ],
  "a message is acked and thrown away": [
    "lost",
    () => {
      let done = false;
      return {
        up(frame, answer) {
          if (done || frame["type"] !== "message.send") return [frame];
          done = true;
          const [turn, reply] = [crypto.randomUUID(), crypto.randomUUID()];
          answer({ type: "ack", id: frame["id"], message: frame["message"], turn, reply, seq: 4 });
          return [];
        },
      };
    },
  ],
  "a message arrives as another": [
    "changed",
    () => ({
      up: once((frame) =>
        frame["type"] === "message.send" ? [{ ...frame, parts: [{ type: "text", text: "Bye" }] }] : undefined,
      ),
    }),
  ],
  "a reply grows behind its end": [
    "grown",
    () => {
      let again = false;
      return {
        up(frame) {
          again ||= frame["type"] === "conversation.close";
          return [frame];
        },
        down(frame) {
          const [piece, end] = [pieceOf(frame), eventsOf(frame).findLast(({ kind }) => kind === "turn.finished")];
          if (again && piece !== undefined && end !== undefined && piece.message === end.message) {
            piece.text += "more";
            end.length += 4;
          }
          return [frame];
        },
      };
    },
  ],
  "a log cannot be read again": [
    "unchecked",
    () => {
      let again = false;
      return {
        up(frame) {
          again ||= frame["type"] === "conversation.close";
          return again && frame["type"] === "conversation.open" ? [] : [frame];
        },
      };
    },
  ],
  "a frame is no such frame": [
    "crashed",
    () => ({
      down: once((frame) => {
        const created = eventsOf(frame).find(({ kind }) => kind === "message.created");
        if (created !== undefined) delete created.message;
        return created && [frame];
      }),
    }),
  ],
};
