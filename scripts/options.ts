// Owns how the commands of a checkout are told what to do: arguments to values, or a sentence and the exit code 2.
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** Prints why the arguments cannot be followed, and ends with 2. */
export function refuse(problem: string): never {
  console.error(`${problem}\n--help tells what there is.`);
  process.exit(2);
}

/** The options of the command line. `--help` prints `help` and ends with 0; what is not known is refused by name. */
export function readOptions<Options extends ParseArgsOptionsConfig>(help: string, options: Options) {
  const read = () => parseArgs({ options: { ...options, help: { type: "boolean" } } }).values;
  let values: ReturnType<typeof read>;
  try {
    values = read();
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  // A type parameter hides that every command has it.
  if ("help" in values && values.help === true) {
    console.log(help);
    process.exit(0);
  }
  return values;
}

/** A whole number from `least` on. */
export function wholeNumber(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`--${name}: "${text}" is no whole number from ${least} on.`);
}
