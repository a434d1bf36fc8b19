// `npm run conformance -- --url ws://HOST:PORT`: any server against the protocol and its guarantees, from outside. Exits 0 or 1.
import { parseArgs } from "node:util";
import { runChecks } from "./run.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "ws://127.0.0.1:8787" },
    prompt: { type: "string", default: "Tell me a long story." },
    only: { type: "string" },
  },
});
const { protocol, host } = new URL(values.url);
const target = { url: `${protocol}//${host}`, prompt: values.prompt };
const verdicts = await runChecks(target, (line) => console.log(line), values.only?.split(","));
process.exit(verdicts.length > 0 && verdicts.every(({ problem }) => problem === undefined) ? 0 : 1);
