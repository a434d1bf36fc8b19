// `npm run conformance -- --url ws://HOST:PORT`: any server against the protocol and its guarantees, from outside.
import { readOptions, refuse, wholeNumber } from "../../scripts/options.ts";
import { checks } from "./checks.ts";
import { reach, runChecks } from "./run.ts";

const ids = checks.map(({ id }) => id);
const help = `npm run conformance -- [options]

  --url URL        the server, as ws://HOST:PORT or wss://HOST (ws://127.0.0.1:8787)
  --prompt TEXT    what its model is asked; the reply has to take a second at least
  --only IDS       ${ids.join(",")}
  --skip IDS       the same, left out
  --patience MS    how long an answer may take (15000)
  --at-once N      checks side by side (8)

Exit code: 0 all held, 1 a check failed, 2 the options cannot be followed, 3 no server answers.
`;
const values = readOptions(help, {
  url: { type: "string", default: "ws://127.0.0.1:8787" },
  prompt: { type: "string", default: "Tell me a long story." },
  only: { type: "string" },
  skip: { type: "string" },
  patience: { type: "string", default: "15000" },
  "at-once": { type: "string", default: "8" },
});

const listed = (name: string, text: string | undefined): string[] | undefined => {
  const named = text?.split(",");
  const unknown = named?.find((id) => !ids.includes(id));
  return unknown === undefined ? named : refuse(`--${name}: "${unknown}" is none of ${ids.join(", ")}.`);
};
const url = URL.parse(values.url);
if (url === null || !["ws:", "wss:"].includes(url.protocol) || url.pathname !== "/")
  refuse(`--url: "${values.url}" is no address like ws://HOST:PORT or wss://HOST.`);
const target = {
  url: `${url.protocol}//${url.host}`,
  prompt: values.prompt,
  patienceMs: wholeNumber("patience", values.patience),
};
const atOnce = wholeNumber("at-once", values["at-once"]);
const skipped = listed("skip", values.skip) ?? [];
const only = (listed("only", values.only) ?? ids).filter((id) => !skipped.includes(id));
if (only.length === 0) refuse("--skip: nothing of --only is left.");
const problem = await reach(target);
if (problem !== undefined) {
  console.error(`No server answers at ${target.url}: ${problem}`);
  process.exit(3);
}
const verdicts = await runChecks(target, (line) => console.log(line), { only, atOnce });
process.exit(verdicts.every(({ problem }) => problem === undefined) ? 0 : 1);
