// Owns how a token or key is held between the environment and its one use: what prints it, prints "[secret]". It checks nothing.
import { inspect } from "node:util";

/** A value that cannot get into a line, a message or a dump by accident: only `reveal` gives it. */
export class Secret<T = string> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return "[secret]";
  }
  toJSON(): string {
    return "[secret]";
  }
  [inspect.custom](): string {
    return "[secret]";
  }
}
