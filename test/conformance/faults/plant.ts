// Owns the ways in which a fault is planted: words for the table of faults.
import type { Json, WireEvent } from "../../support/wire-view.ts";
import type { Fault, Link } from "../faulty.ts";

export type Planted = {
  /** What the server does wrong. */
  readonly what: string;
  /** The check that has to notice, and what it has to say. */
  readonly by: string;
  readonly problem: RegExp;
  /** Made anew each time, as some strike once. */
  readonly fault: () => Fault;
};

/** Changes the acks of one type of command. */
export const ackOf =
  (type: string, change: (ack: Json, asked: Json, link: Link) => Json | readonly Json[] | undefined) => (): Fault => ({
    down(frame, link) {
      const asked = link.asked(frame);
      return frame["type"] === "ack" && asked?.["type"] === type ? change(frame, asked, link) : frame;
    },
  });

/** Changes the errors with one code. */
export const errorOf = (code: string, change: (error: Json, asked: Json | undefined) => Json) => (): Fault => ({
  down(frame, link) {
    const error = frame["error"] as Json | undefined;
    return error?.["code"] === code ? { ...frame, error: change(error, link.asked(frame)) } : frame;
  },
});

/** Changes every frame of one type. */
export const frameOf =
  (type: string, change: (frame: Json, link: Link) => Json | readonly Json[] | undefined) => (): Fault => ({
    down: (frame, link) => (frame["type"] === type ? change(frame, link) : frame),
  });

/** Changes the events of one kind; with `most`, only so many of them. */
export const eventOf = (kind: string, change: (event: WireEvent) => WireEvent[], most = Number.POSITIVE_INFINITY) =>
  function plant(): Fault {
    let struck = 0;
    const touch = (event: WireEvent): WireEvent[] =>
      event.kind === kind && struck < most && ++struck > 0 ? change(event) : [event];
    return {
      down: (frame) =>
        frame["type"] === "events" ? { ...frame, events: (frame["events"] as WireEvent[]).flatMap(touch) } : frame,
    };
  };

/** Changes the commands of one type. */
export const commandOf = (type: string, change: (command: Json, link: Link) => Json) => (): Fault => ({
  up: (frame, link) => (frame["type"] === type ? change(frame, link) : frame),
});

/** Closes with another code. */
export const codeFor = (right: number, wrong: number) => (): Fault => ({
  close: (code) => (code === right ? wrong : code),
});

/** Leaves a field out. */
export function without(object: Json, field: string): Json {
  const { [field]: _, ...rest } = object;
  return rest;
}

/** Does what `strikes` says anew under an id of its own, and answers as if it were the first. */
export const anew = (strikes: (command: Json, link: Link) => boolean, change: (command: Json) => Json) =>
  function plant(): Fault {
    const real = new Map<unknown, unknown>();
    return {
      up(frame, link) {
        if (!strikes(frame, link)) return frame;
        const id = crypto.randomUUID();
        real.set(id, frame["id"]);
        return { ...change(frame), id };
      },
      down: (frame) => (real.has(frame["id"]) ? { ...frame, id: real.get(frame["id"]) } : frame),
    };
  };
