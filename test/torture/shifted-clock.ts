// Loaded into a server before it starts: its wall clock is off by what a file says, looked at anew with every SIGUSR2. Changes no timer.
import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const file = process.env["TORTURE_CLOCK"] ?? "";
let shift = 0;
const look = (): void => void (shift = Number(readFileSync(file, "utf8")));

if (file !== "") {
  const Real = Date;
  const now = (): number => Real.now() + shift;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args: unknown[], itself) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, itself === undefined ? target : itself),
    get: (target, name, itself) => (name === "now" ? now : Reflect.get(target, name, itself)),
    apply: () => new Real(now()).toString(),
  });
  look();
  if (isMainThread) process.on("SIGUSR2", look);
}
