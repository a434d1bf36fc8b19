// Owns the proof that the transcript of docs/protocol.md is true: plays it against a server. It knows nothing of the protocol itself.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { WebSocket } from "ws";
import { afterEach, expect, test } from "vitest";
import { modelFrom } from "../../src/adapters/models/index.ts";
import type { Model } from "../../src/host.ts";
import { Stranger } from "../e2e/stranger.ts";
import { Stage, until } from "../server/talker.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/protocol.md"), "utf8");
const lines = (/## A conversation, frame by frame\n.*?```text\n(.*?)\n```/s.exec(page)?.[1] ?? "").split("\n");

/** What differs from one run to another: ids that the server makes, times, the token. */
const variable = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z|the-session-token/g;

/** The page's words for what the server said, and back. One for one: another id on the page is another id of the server. */
class Names {
  readonly #real = new Map<string, string>();
  readonly #said = new Map<string, string>();

  #bind(said: string, real: string): boolean {
    const time = said.endsWith("Z");
    if (time) return Date.parse(real) > Date.now() - 3_600_000;
    if ((this.#real.get(said) ?? real) !== real || (this.#said.get(real) ?? said) !== said) return false;
    this.#real.set(said, real);
    this.#said.set(real, said);
    return true;
  }

  /** A line of the client, as it has to be sent. Ids that are new in it are the client's own. */
  speak(line: string): string {
    return line.replaceAll(variable, (said) => {
      const real = this.#real.get(said) ?? said;
      this.#bind(said, real);
      return real;
    });
  }

  /** Whether what the server sent is what the page says. */
  fits(said: unknown, real: unknown): boolean {
    if (typeof said === "string" && typeof real === "string") {
      const [word] = said.match(variable) ?? [];
      if (word === undefined) return said === real;
      const at = said.indexOf(word);
      const value = real.slice(at, real.length - (said.length - at - word.length));
      return said.replace(word, value) === real && this.#bind(word, value);
    }
    if (Array.isArray(said) && Array.isArray(real))
      return said.length === real.length && said.every((item, i) => this.fits(item, real[i]));
    if (typeof said !== "object" || typeof real !== "object" || said === null || real === null)
      return isDeepStrictEqual(said, real);
    const fields = new Map<string, unknown>(Object.entries(real));
    const open = "…" in said;
    const named = Object.entries(said).filter(([name]) => name !== "…");
    return (
      (open ? fields.size > named.length : fields.size === named.length) &&
      named.every(([name, value]) => fields.has(name) && this.fits(value, fields.get(name)))
    );
  }
}

/** A model that says what it is told to, when it is told to. */
function puppet(): { model: Model; say: (piece: string | undefined) => void } {
  const waiting: (string | undefined)[] = [];
  const model = modelFrom({
    name: "demo",
    async *stream(_request, signal) {
      for (;;) {
        const piece = await until(() => signal.aborted || (waiting.length > 0 && { text: waiting.shift() }), "a piece");
        if (piece === true || piece.text === undefined) return;
        yield piece.text;
      }
    },
  });
  return { model, say: (piece) => void waiting.push(piece) };
}

/** Plays the lines; rejects with the first one that is not true. */
async function play(stage: Stage, script: readonly string[]): Promise<number> {
  const { model, say } = puppet();
  const { address } = await stage.serve({ model, node: "one" });
  const names = new Names();
  let socket: WebSocket | undefined;
  let closed: number | undefined;
  let observer: Stranger | undefined;
  const frames: unknown[] = [];
  const rest = [...script];
  let played = 0;

  const connect = async (): Promise<void> => {
    const next = new WebSocket(`ws://${address}/api/v1/async/chatbot`, "throughline.v1");
    next.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString())));
    next.on("close", (code) => (closed = code));
    await once(next, "open");
    socket = next;
  };
  /** Somebody else's eyes, so that what happens while the client is away has happened when it comes back. */
  const watch = async (): Promise<number> => {
    const conversation = /"conversation":"([^"]+)"/.exec(script.join("\n"))?.[1] ?? "";
    if (observer === undefined) {
      const session = names.speak("the-session-token");
      observer = await Stranger.connect(`http://${address}`, undefined, { session });
      await observer.open(conversation);
      await until(() => observer?.readers.get(conversation)?.live, "the observer");
    }
    return observer.readers.get(conversation)?.seq ?? 0;
  };
  const happen = async (what: string): Promise<void> => {
    const [, piece] = /^the model says "(.*)"$/.exec(what) ?? [];
    if (what === "connects") return connect();
    if (what === "the network is cut") return socket?.terminate();
    if (what.startsWith("closed ")) return void (await until(() => closed === Number(what.slice(7)), what));
    if (piece === undefined && what !== "the model ends") throw new Error(`nobody knows how to play: ${what}`);
    const before = await watch();
    say(piece);
    await until(async () => (await watch()) > before, what);
  };

  for (;;) {
    const line = rest.shift();
    if (line === undefined) break;
    const said = line.slice(2);
    if (line.startsWith("> ")) socket?.send(names.speak(said));
    else if (line.startsWith("= ")) await happen(said);
    else if (line.startsWith("< ")) {
      const several = [
        said,
        ...rest
          .splice(
            0,
            rest.findIndex((other) => !other.startsWith("< ")),
          )
          .map((l) => l.slice(2)),
      ];
      await until(() => frames.length >= several.length, `${several.length} frames: ${said}`);
      const got = frames.splice(0);
      for (const text of inOrder(
        several.map((item): unknown => JSON.parse(item)),
        got,
      ))
        if (!names.fits(text.said, text.real))
          throw new Error(`said:\n${JSON.stringify(text.said)}\nbut it is:\n${JSON.stringify(text.real)}`);
      if (got.length > several.length) throw new Error(`more than was said: ${JSON.stringify(got)}`);
      played += several.length - 1;
    } else throw new Error(`no line of a transcript: ${line}`);
    played++;
  }
  observer?.cut();
  return played;
}

/** Answers beside answers, all else beside all else: each kind keeps its order, and they may come in either. */
function inOrder(said: readonly unknown[], real: readonly unknown[]): { said: unknown; real: unknown }[] {
  const isAnswer = (frame: unknown): boolean => typeof frame === "object" && frame !== null && "id" in frame;
  return [true, false].flatMap((kind) => {
    const others = real.filter((frame) => isAnswer(frame) === kind);
    return said.filter((frame) => isAnswer(frame) === kind).map((frame, i) => ({ said: frame, real: others[i] }));
  });
}

let stage = new Stage();
afterEach(async () => {
  await stage.end();
  stage = new Stage();
});

test("DO10 J1 the transcript of the protocol's page, played against a server, is what the server does", async () => {
  expect(lines.length).toBeGreaterThan(30);
  expect(await play(stage, lines)).toBe(lines.length);
});

test.each([
  ["a text", /"offset":9,"text":"who stays\."/, '"offset":9,"text":"who stays"'],
  ["an offset", /"offset":9/, '"offset":8'],
  ["a seq", /"from":5,"to":6/, '"from":5,"to":7'],
  ["an id", /"turn":"[^"]+","status":"stopped"/, '"turn":"0199f0a2-7d55-7000-8000-0000000000a1","status":"stopped"'],
  ["a field too many", /"status":"completed",/, '"status":"completed","extra":1,'],
  ["a field too few", /"heartbeatMs":25000,/, ""],
])("DO10 a page that says %s that is not so is found out", async (_what, from, to) => {
  const wrong = lines.map((line) => (line.startsWith("< ") ? line.replace(from, to) : line));
  expect(wrong).not.toEqual(lines);
  await expect(play(stage, wrong)).rejects.toThrow("but it is:");
});
