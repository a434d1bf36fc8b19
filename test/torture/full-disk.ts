// The scene of a full disk: a small real file system that another program fills and frees, while people write to it.
import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectedText } from "../support/model-server.ts";
import type { Ledger } from "./ledger.ts";
import { Member } from "./member.ts";
import { between, each, sleep, upTo, type Run, type Scene } from "./scene.ts";
import { Stage, type StageOptions } from "./stage.ts";

/** Characters that a message carries besides, so that a disk is soon full. */
const ballast = "z".repeat(40_000);
/** Refusals of a filling, before it is freed. */
const enough = 6;

type Sent = {
  readonly message: string;
  readonly conversation: string;
  readonly acked: boolean;
  readonly reply: string;
  readonly seed: number;
};

export const fullDisk: Scene = {
  name: "full-disk",
  unit: "fillings",
  small: 2,
  large: 30,
  play: (run) => (mayMount() ? mounted(run) : limited(run)),
};

/** May this process mount a file system? Found out by doing it. */
function mayMount(): boolean {
  try {
    execFileSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", tmpdir()], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function mounted(run: Run): Promise<void> {
  const { size, ledger, say } = run;
  const options: StageOptions = {
    patient: true,
    prepare: (dataDir) =>
      void execFileSync("mount", ["-t", "tmpfs", "-o", `size=${16 + 12 * size}m`, "tmpfs", dataDir], {
        stdio: "ignore",
      }),
    tidy: (dataDir) => void execFileSync("umount", ["-l", dataDir], { stdio: "ignore" }),
    // The server is killed once, at the end.
    fair: [1006],
  };
  await Stage.play(run, options, async (stage) => {
    const members = await each(upTo(6), () => Member.join(stage.member({ fair: [1006] })));
    const work = start(run, members);
    for (let i = 1; i <= size; i++) {
      const [acks, refusals] = [work.acks(), work.refusals()];
      await members[0]?.until(() => work.acks() > acks + 2, "an ack");
      const filler = fill(join(stage.server.dataDir, "filler"));
      await members[0]?.until(() => work.refusals() >= refusals + enough, "refusals");
      // Nothing can be written, and everything can be read.
      for (const member of members) {
        const list = await member.ask({ type: "conversation.list", limit: 5 }, true);
        if (list.type !== "ack") ledger.bad("lost", `a list on a full disk: ${JSON.stringify(list)}`);
      }
      rmSync(filler);
      const [full] = [work.acks()];
      await members[0]?.until(() => work.acks() > full + members.length, "acks after the disk was freed");
      ledger.cycles++;
      say(`filling ${i}: ${work.refusals() - refusals} refused`);
    }
    const sent = await work.end();
    await stage.server.end("SIGKILL");
    await stage.server.start();
    await check(stage, members, sent, ledger);
  });
}

/** Fills the file system to its last byte. */
function fill(file: string): string {
  const handle = openSync(file, "w");
  for (const bytes of [1 << 20, 1 << 14, 1 << 9]) {
    const block = Buffer.alloc(bytes, 1);
    for (let written = bytes; written === bytes;) {
      try {
        written = writeSync(handle, block);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("ENOSPC")) throw error;
        written = 0;
      }
    }
  }
  closeSync(handle);
  return file;
}

type Work = {
  readonly acks: () => number;
  readonly refusals: () => number;
  /** Lets what runs come to its end. */
  readonly end: () => Promise<readonly Sent[]>;
};

/** Everybody writes all the while, and keeps what was acknowledged and what was refused. */
function start({ random, seed, ledger }: Run, members: readonly Member[]): Work {
  const sent: Sent[] = [];
  const state = { over: false };
  const talk = async (member: Member, index: number): Promise<void> => {
    let conversation = crypto.randomUUID();
    for (let i = 0; !state.over; i++) {
      const message = crypto.randomUUID();
      const own = seed * 1_000_000 + index * 10_000 + i;
      const text = `<${member.name}> {{seed=${own} chars=240 rate=400 piece=6}} ${ballast}`;
      const parts = [{ type: "text", text }];
      const answer = await member.ask({ type: "message.send", conversation, message, parts, parent: null }, true);
      if (answer.type === "lost") return;
      const acked = answer.type === "ack";
      if (!acked && answer.error?.code !== "unavailable")
        ledger.bad("lost", `on a full disk a message was answered ${JSON.stringify(answer)}`);
      sent.push({ message, conversation, acked, reply: String(answer["reply"]), seed: own });
      ledger.operations++;
      if (i % 25 === 24) conversation = crypto.randomUUID();
      await sleep(acked ? between(random, 5, 60) : 50);
    }
  };
  const talking = members.map(talk);
  const count = (acked: boolean): number => sent.filter((one) => one.acked === acked).length;
  return {
    acks: () => count(true),
    refusals: () => count(false),
    end: async () => {
      state.over = true;
      await Promise.all(talking);
      ledger.saw("acked", count(true));
      ledger.saw("refused", count(false));
      return sent;
    },
  };
}

/** After a kill: what was acknowledged is there with its whole reply, what was refused is not. */
async function check(stage: Stage, members: readonly Member[], sent: readonly Sent[], ledger: Ledger): Promise<void> {
  for (const member of members) {
    const { name, session } = member;
    const late = await Member.join(stage.member({ name, session, fair: [] }));
    const own = sent.filter(({ seed }) => Math.floor(seed / 10_000) % 100 === members.indexOf(member));
    for (const conversation of new Set(own.filter(({ acked }) => acked).map((one) => one.conversation))) {
      const view = await late.follow(conversation);
      await late.until(() => view.turns.size === 0, "the replies' ends");
      for (const one of own.filter((other) => other.conversation === conversation)) {
        const there = view.messages.has(one.message);
        if (one.acked && !there) ledger.bad("lost", `message ${one.message} was acknowledged, and is not there`);
        if (!one.acked && there) ledger.bad("doubled", `message ${one.message} was refused, and is there`);
        if (!one.acked) continue;
        const [status, text] = [view.status(one.reply), view.text(one.reply)];
        if (status !== "completed" || text !== expectedText(one.seed, 240))
          ledger.bad("torn", `a reply is ${String(status)} with ${text.length} of 240 characters`);
      }
    }
    late.leave();
    member.leave();
  }
}

/**
 * Where nothing may be mounted: files may not grow past a size, which SQLite meets as a failing disk. The server acknowledges
 * nothing more and ends by itself (ST09); started where there is room, it has everything that it acknowledged.
 */
async function limited(run: Run): Promise<void> {
  const { ledger, size } = run;
  for (let i = 0; i < size; i++) {
    const before = [
      "bash",
      "-c",
      'if [ -e "$DATA_DIR/room" ]; then exec "$0" "$@"; fi; ulimit -f 6000; exec "$0" "$@"',
    ];
    await Stage.play(run, { before, patient: true, fair: [1006] }, async (stage) => {
      const members = await each(upTo(6), () => Member.join(stage.member({ fair: [1006] })));
      const work = start(run, members);
      await members[0]?.until(() => stage.server.deaths.length > 0, "the end of the server");
      writeRoom(join(stage.server.dataDir, "room"));
      for (const death of stage.server.deaths.splice(0))
        if (!death.startsWith("1:") || !death.includes("store_broken")) ledger.bad("crashes", death);
      // What was under way fails with the store; anything else is a bug here too.
      for (const bug of stage.server.bugs()) if (!bug.includes("rewrite_failed")) ledger.bad("crashes", bug);
      stage.server.output = "";
      ledger.saw("endedByItself");
      await stage.server.start();
      const acks = work.acks();
      await members[0]?.until(() => work.acks() > acks + members.length, "acks where there is room");
      const sent = await work.end();
      await check(stage, members, sent, ledger);
      ledger.cycles++;
    });
  }
}

const writeRoom = (file: string): void => closeSync(openSync(file, "w"));
