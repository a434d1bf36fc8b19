// Owns a server with a planted fault: a proxy before a sound one that breaks one promise. It exists so that the checks can fail.
import { WebSocket, WebSocketServer } from "ws";
import type { Json } from "../support/wire-view.ts";

/** What goes wrong; each breaks one promise and nothing else. */
export type Fault = {
  /** A frame from the server as the client gets it; undefined: it is lost. */
  readonly down?: (frame: Json) => Json | undefined;
  /** A command as the server gets it. */
  readonly up?: (frame: Json) => Json;
  readonly close?: (code: number) => number;
  /** Frames beside, right behind one. */
  readonly more?: (frame: Json) => Json[];
};

type Pieces = { kind: string; text?: string }[];
const piecesOf = (frame: Json): Pieces =>
  ((frame["events"] ?? []) as Pieces).filter(({ kind }) => kind === "reply.appended");

/** Makes each fault anew, as some strike once. The key is the check that has to find it. */
export const faults: Readonly<Record<string, () => Fault>> = {
  CN1: () => ({ down: (frame) => ({ ...frame, heartbeatMs: undefined }) }),
  CN2: () => ({ close: (code) => (code === 4401 ? 1000 : code) }),
  CN3: () => ({ close: (code) => (code === 1003 ? 1000 : code) }),
  CN4: () => ({
    down: (frame) => {
      const { field: _, ...error } = (frame["error"] ?? {}) as Json;
      return frame["type"] === "error" ? { ...frame, error } : frame;
    },
  }),
  // The title of a conversation is forgotten by whoever comes later.
  CG1: () => {
    let before = 0;
    return {
      up: (frame) => (frame["type"] === "auth" && before++ > 0 ? { ...frame, guest: true, session: undefined } : frame),
    };
  },
  // A send that is repeated is done again, somewhere else.
  CG2: () => {
    const seen = new Set<unknown>();
    const real = new Map<unknown, unknown>();
    return {
      up(frame) {
        if (frame["type"] !== "message.send") return frame;
        if (!seen.has(frame["id"])) {
          seen.add(frame["id"]);
          return frame;
        }
        const id = crypto.randomUUID();
        real.set(id, frame["id"]);
        return { ...frame, id, conversation: crypto.randomUUID(), message: crypto.randomUUID() };
      },
      down: (frame) => (real.has(frame["id"]) ? { ...frame, id: real.get(frame["id"]) } : frame),
    };
  },
  // One letter of one piece.
  CG4: () => {
    let done = false;
    return {
      down(frame) {
        const piece = done ? undefined : piecesOf(frame)[0];
        if (piece?.text === undefined) return frame;
        done = true;
        piece.text = `#${piece.text.slice(1)}`;
        return frame;
      },
    };
  },
  // Whoever comes back is given the log from one event too late.
  CG4b: () => ({
    up(frame) {
      const open = (frame["open"] ?? []) as { seq: number }[];
      return { ...frame, open: open.map((one) => ({ ...one, seq: one.seq + 1 })) };
    },
  }),
  // A piece after the ack of a stop.
  CG5: () => {
    let last: Json | undefined;
    const stops = new Set<unknown>();
    return {
      up(frame) {
        if (frame["type"] === "turn.stop") stops.add(frame["id"]);
        return frame;
      },
      down(frame) {
        if (piecesOf(frame).length > 0) last = frame;
        return frame;
      },
      more(frame) {
        if (last === undefined || frame["type"] !== "ack" || !stops.has(frame["id"])) return [];
        const seq = Number(frame["seq"]) + 1;
        return [{ ...last, from: seq, to: seq, events: piecesOf(last).slice(0, 1) }];
      },
    };
  },
  // The third frame with pieces is lost.
  CG8: () => {
    let count = 0;
    return { down: (frame) => (piecesOf(frame).length > 0 && ++count === 3 ? undefined : frame) };
  },
  CG9: () => ({
    down(frame) {
      const error = (frame["error"] ?? {}) as Json;
      return error["code"] === "not_found" ? { ...frame, error: { ...error, code: "forbidden" } } : frame;
    },
  }),
  CN5: () => ({ close: (code) => (code === 4410 ? 1000 : code) }),
};

/** Stands before the server at `target` (ws://...) with one fault. */
export async function startFaulty(target: string, fault: Fault): Promise<{ url: string; close: () => void }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  server.on("connection", (front) => {
    const back = new WebSocket(`${target}/api/v1/async/chatbot`, ["throughline.v1"]);
    const early: (string | Buffer)[] = [];
    const forward = (data: string | Buffer): void => {
      if (back.readyState === WebSocket.OPEN) back.send(data);
      else early.push(data);
    };
    const upwards = (text: string): string => {
      try {
        const frame: unknown = JSON.parse(text);
        const isObject = typeof frame === "object" && frame !== null && !Array.isArray(frame);
        return isObject && fault.up !== undefined ? JSON.stringify(fault.up(frame as Json)) : text;
      } catch {
        return text; // Rubbish is passed on as it is.
      }
    };
    front.on("message", (data: Buffer, binary) => forward(binary ? data : upwards(data.toString())));
    back.on("open", () => {
      for (const data of early.splice(0)) back.send(data);
    });
    back.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Json;
      const changed = fault.down === undefined ? frame : fault.down(frame);
      if (changed !== undefined) front.send(JSON.stringify(changed));
      for (const extra of fault.more?.(frame) ?? []) front.send(JSON.stringify(extra));
    });
    back.on("close", (code, reason) => {
      const own = fault.close?.(code) ?? code;
      if (own === 1006 || own === 1005) front.terminate();
      else front.close(own, reason.toString());
    });
    back.on("error", () => front.terminate());
    front.on("error", () => undefined);
    front.on("close", () => back.terminate());
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const close = (): void => {
    for (const client of server.clients) client.terminate();
    server.close();
  };
  return { url: `ws://127.0.0.1:${port}`, close };
}
