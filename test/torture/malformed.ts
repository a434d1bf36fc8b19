// The scene of malformed frames: by grammar and by mutation, over many sockets; answered or closed as the page says, and nothing more.
import { createFlood } from "../hostile/flood.ts";
import { sleep, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

/** What the server's memory may grow by from the first tenth to the last (MiB). */
const growth = 200;

/** How long the server may take to let go of sockets that are gone (ms): two heartbeats and more. */
const letGo = 90_000;

export const malformed: Scene = {
  name: "malformed",
  unit: "frames",
  small: 6000,
  large: 1_000_000,
  async play(run) {
    const { size, seed, ledger, say } = run;
    await Stage.play(run, {}, async (stage) => {
      const { tally, run: send } = createFlood(stage.server.url, seed);
      const memory: number[] = [];
      for (let tenth = 1; tenth <= 10; tenth++) {
        await send((size * tenth) / 10);
        memory.push(stage.memory());
        ledger.cycles++;
        if (size >= 100_000) say(`${tally.sent} frames, ${Math.round(memory.at(-1) ?? 0)} MiB`);
      }
      const { sent, answered, connections, closes, errors, problems } = tally;
      ledger.operations += sent;
      ledger.saw("answered", answered);
      ledger.saw("connections", connections);
      for (const [code, count] of closes) ledger.saw(`closed${code}`, count);
      for (const [code, count] of errors) ledger.saw(code, count);
      for (const problem of problems) ledger.bad(problem.startsWith("closed") ? "wrongCloses" : "torn", problem);
      // Whatever they ended with, the server holds none of them: only the healthy client is there.
      const end = performance.now() + letGo;
      let held = await stage.metric("throughline_sockets");
      for (; held > 1 && performance.now() < end; held = await stage.metric("throughline_sockets")) await sleep(200);
      if (held !== 1) ledger.bad("stuck", `the server still holds ${held} sockets of ${connections}`);
      const grown = Math.round((memory.at(-1) ?? Infinity) - (memory[0] ?? 0));
      ledger.most("grownMiB", grown);
      if (grown > growth) ledger.bad("stuck", `the server holds ${grown} MiB more than in the beginning`);
    });
  },
};
