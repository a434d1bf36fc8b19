// Owns the process that prints the nonces of what it seals.
import { createSecretKey } from "node:crypto";
import { Seal } from "../../src/adapters/embedded/cipher.ts";

const seal = new Seal(createSecretKey(new Uint8Array(32)));
const lines = Array.from({ length: 3_000 }, () => Buffer.from(seal.seal("x", "c")).toString("hex", 1, 13));
console.log(lines.join("\n"));
