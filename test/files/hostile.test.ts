// Owns the proof that files withstand who means harm: places held, bodies without end, byte by byte, torn, readers who leave.
import { readdirSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultPolicy, type Policy } from "../../src/server/policy.ts";
import { counting, sendTo, Stage, until, type Served, type Talker } from "../server/talker.ts";
import { bodyOf, png, requestHead } from "./samples.ts";

let stage: Stage;
let served: Served;
let talker: Talker;
let sockets: Socket[] = [];
beforeEach(() => void (stage = new Stage()));
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await stage.end();
});

const serve = async (more: Parameters<Stage["serve"]>[0] = {}): Promise<void> => {
  served = await stage.serve(more);
  talker = await served.talk();
};
const numbers = (more: { guest?: Partial<Policy["guest"]>; address?: Partial<Policy["address"]> }): Policy => ({
  ...defaultPolicy,
  guest: { ...defaultPolicy.guest, ...more.guest },
  address: { ...defaultPolicy.address, ...more.address },
});
const post = async (body: BodyInit, token = talker.session): Promise<{ status: number; text: string }> => {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`http://${served.address}/api/v1/files`, { method: "POST", headers, body });
  return { status: answer.status, text: await answer.text() };
};
const idIn = (text: string): string => /"id":"([0-9a-f]{32})"/.exec(text)?.[1] ?? "";
const folder = (): string[] => readdirSync(join(stage.dataDir, "files"));
/** A socket of our own, and all that it was answered. */
const raw = (): { socket: Socket; heard: () => string } => {
  const [host = "", port = ""] = served.address.split(":");
  const socket = connect(Number(port), host);
  sockets.push(socket);
  let heard = "";
  socket.on("data", (data: Buffer) => (heard += data.toString("latin1")));
  socket.on("error", () => undefined);
  return { socket, heard: () => heard };
};
/** Begins an upload that does not go on. */
const hold = (token = talker.session): Socket => {
  const { socket } = raw();
  socket.write(`${requestHead(token, "held.txt", 100_000).head}beginning`);
  return socket;
};

describe("places", () => {
  test("FL15 RL01 who holds all of their places gets no more, others do; each is free when its sender leaves", async () => {
    await serve({ policy: numbers({ guest: { uploadsAtOnce: 2 } }) });
    const held = [hold(), hold()];
    await until(() => folder().length === 2, "both to have begun");
    const refused = await post(bodyOf("third.txt", "third"));
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining("2 files may be on their way")]);
    const other = await served.talk();
    expect((await post(bodyOf("other.txt", "other"), other.session)).status).toBe(201);
    held[0]?.destroy();
    await until(() => folder().length === 2, "the place to be free");
    expect((await post(bodyOf("third.txt", "third"))).status).toBe(201);
  });
  test("FL15 RL02 new guests do not make more places for an address", async () => {
    await serve({ policy: numbers({ address: { guestUploadsAtOnce: 2 } }) });
    const guests = [talker, await served.talk(), await served.talk()];
    for (const guest of guests.slice(0, 2)) hold(guest.session);
    await until(() => folder().length === 2, "both to have begun");
    expect((await post(bodyOf("third.txt", "third"), guests[2]?.session)).status).toBe(429);
  });
  test("FL15 FL1 bodies torn and mixed at random: each is answered, none holds a place, nothing is left but what was kept", async () => {
    await serve({
      policy: { ...numbers({ guest: { uploadsAtOnce: 3, uploadsPerHour: 100_000, uploadBytesPerDay: 1e9 } }) },
    });
    let seed = 20_261_123;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const part = (name: string, text: string): string =>
      `--edge\r\nContent-Disposition: form-data; name="file"${name}\r\n\r\n${text}\r\n`;
    const whole = `${part("", "word")}${part('; filename="a.txt"', "text ".repeat(30))}${part('; filename="b.txt"', "x")}--edge--\r\n`;
    const pieces = [
      "\r\n",
      "--edge",
      "--edge--",
      "\r\n\r\n",
      '"',
      ";",
      "\0",
      "filename",
      "Content-",
      "x".repeat(40_000),
    ];
    const statuses = new Map<number, number>();
    const one = async (): Promise<void> => {
      let body = whole;
      for (let i = random(4); i >= 0; i--) {
        const [from, length] = [random(body.length), random(30)];
        body = body.slice(0, from) + (pieces[random(pieces.length + 5)] ?? "") + body.slice(from + length);
      }
      const answer = await fetch(`http://${served.address}/api/v1/files`, {
        method: "POST",
        headers: { authorization: `Bearer ${talker.session}`, "content-type": "multipart/form-data; boundary=edge" },
        body,
        signal: AbortSignal.timeout(20_000),
      });
      await answer.arrayBuffer();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    };
    for (let round = 0; round < 100; round++) await Promise.all([one(), one(), one()]);
    expect([...statuses.keys()].filter((status) => ![201, 400, 415].includes(status))).toEqual([]);
    expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(300);
    expect(statuses.get(400)).toBeGreaterThan(10);
    expect(folder()).toHaveLength(statuses.get(201) ?? 0);
    expect((await Promise.all([1, 2, 3].map(() => post(bodyOf("a.txt", "a"))))).map(({ status }) => status)).toEqual([
      201, 201, 201,
    ]);
  });
});

describe("bodies", () => {
  test("FL15 a body without a file that never ends, and one that goes on behind its file, are given up", async () => {
    await serve({ limits: { fileBytes: 10_000 } });
    for (const beginning of [
      "",
      `--edge\r\nContent-Disposition: form-data; name="word"\r\n\r\n`,
      `--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nshort\r\n--edge--\r\n`,
    ]) {
      const { socket, heard } = raw();
      socket.write(
        [
          "POST /api/v1/files HTTP/1.1",
          "Host: localhost",
          `Authorization: Bearer ${talker.session}`,
          "Content-Type: multipart/form-data; boundary=edge",
          "Transfer-Encoding: chunked",
          "",
          beginning.length === 0 ? "" : `${beginning.length.toString(16)}\r\n${beginning}\r\n`,
        ].join("\r\n"),
      );
      const more = `2000\r\n${"x".repeat(0x2000)}\r\n`;
      for (let i = 0; i < 12; i++) socket.write(more);
      await until(() => heard().includes('"code"'), `the answer to ${beginning}`);
      expect(heard()).toMatch(/^HTTP\/1\.1 400 /);
      expect(heard()).toContain("longer than a file may be");
      await until(() => folder().length === 0, "nothing to be left");
    }
  });
  test("FL1 FL8 byte by byte is whole, too", async () => {
    await serve();
    const bytes = png(60, 60);
    const { head, tail } = requestHead(talker.session, "slow.png", bytes.length);
    const body = Buffer.concat([Buffer.from(head.slice(head.indexOf("\r\n\r\n") + 4)), bytes, Buffer.from(tail)]);
    const first = head
      .slice(0, head.indexOf("\r\n\r\n") + 4)
      .replace(/Content-Length: \d+/, "Transfer-Encoding: chunked");
    const chunks = Array.from(body, (byte) =>
      Buffer.concat([Buffer.from("1\r\n"), Buffer.of(byte), Buffer.from("\r\n")]),
    );
    const { socket, heard } = raw();
    socket.write(Buffer.concat([Buffer.from(first), ...chunks, Buffer.from("0\r\n\r\n")]));
    await until(() => heard().includes("sha256"), "the answer");
    expect(heard()).toContain(`"mediaType":"image/png","bytes":${bytes.length}`);
    const answer = await fetch(`http://${served.address}/api/v1/files/${idIn(heard())}`, {
      headers: { authorization: `Bearer ${talker.session}` },
    });
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });
  test("FL1 after a refusal the same connection goes on: what was refused is read over, and the next request is answered", async () => {
    await serve({ policy: numbers({ guest: { uploadsPerHour: 1 } }) });
    const request = (name: string, size: number): string => {
      const { head, tail } = requestHead(talker.session, name, size);
      return `${head}${"y".repeat(size)}${tail}`;
    };
    const { socket, heard } = raw();
    const times = (text: string): number => heard().split(text).length - 1;
    socket.write(request("one.txt", 5000));
    await until(() => times("HTTP/1.1 201") === 1, "the first answer");
    socket.write(request("two.txt", 200_000) + request("three.txt", 5000) + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => times("HTTP/1.1 200") === 1, "the last answer");
    expect([times("HTTP/1.1 429"), times("HTTP/1.1 "), folder().length]).toEqual([2, 4, 1]);
  });
  test("FL2 where no model sees, pictures are refused with the reason, and texts are not", async () => {
    const blind = { ...counting(), capabilities: { prefill: false, images: false } };
    await serve({ model: blind });
    const refused = await post(bodyOf("a.png", Uint8Array.from(png(2, 2))));
    expect([refused.status, refused.text]).toEqual([415, expect.stringContaining("does not see pictures")]);
    expect((await post(bodyOf("a.txt", "a"))).status).toBe(201);
    expect(folder()).toHaveLength(1);
  });
});

describe("readers", () => {
  test("FL15 thirty readers who leave at the first byte leave no file open", async () => {
    await serve();
    const { text } = await post(bodyOf("large.txt", "x".repeat(8_000_000)));
    const open = (): string[] =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).includes(`/files/${idIn(text)}`);
        } catch {
          // Closed meanwhile.
          return false;
        }
      });
    for (let i = 0; i < 30; i++) {
      const { socket, heard } = raw();
      socket.write(
        `GET /api/v1/files/${idIn(text)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${talker.session}\r\n\r\n`,
      );
      await until(() => heard().includes("200 OK"), "the beginning");
      socket.destroy();
    }
    await until(() => open().length === 0, "every file to be closed");
  });
});

describe("people", () => {
  test("FL10 OP11 erasing a person takes files that no message has, too", async () => {
    await serve();
    const { text } = await post(bodyOf("loose.txt", "loose"));
    const taken = await post(bodyOf("taken.txt", "taken"));
    const parts = [{ type: "file", file: idIn(taken.text) }];
    expect(await talker.ask({ ...sendTo(crypto.randomUUID(), ""), parts })).toMatchObject({ type: "ack" });
    expect(folder()).toContain(idIn(text));
    const user = talker.frames.map((frame) => (frame["user"] as { id?: string } | undefined)?.id).find(Boolean) ?? "";
    expect(user).toMatch(/^guest_/);
    await served.host.eraseUser(user);
    await until(() => folder().length === 0, "both to be gone");
  });
});
