// Owns the sealing of one value: AES-256-GCM under one key, bound to what it is. Must not know where keys come from.
import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from "node:crypto";

/** The first byte of whatever is sealed, and bound to it: another version can change everything behind it. */
const version = 1;
const nonceLength = 12;
const tagLength = 16;
const algorithm = "aes-256-gcm";

/** Sealed bytes that are not as they were sealed, or under this key, or for this context. Never says what was in them. */
export class BrokenSeal extends Error {
  override readonly name = "BrokenSeal";
  constructor(context: string) {
    super(`${context} cannot be opened: it was changed, moved, or sealed under another key`);
  }
}

// One call for many: a call for each nonce would cost more than the encryption.
const pool = Buffer.alloc(nonceLength * 1_024);
let used = pool.length;

/** 96 random bits. */
function freshNonce(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += nonceLength;
  return pool.subarray(used - nonceLength, used);
}

const boundTo = (context: string): Buffer => Buffer.from(`${version}:${context}`, "utf8");

/** Version, nonce, ciphertext, tag. `context` names the row and the column; only under the same one they can be opened. */
export function sealBytes(key: KeyObject, plain: string | Uint8Array, context: string): Uint8Array {
  const length = typeof plain === "string" ? Buffer.byteLength(plain, "utf8") : plain.byteLength;
  const nonce = freshNonce();
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(boundTo(context));
  const body = typeof plain === "string" ? cipher.update(plain, "utf8") : cipher.update(plain);
  cipher.final();
  const sealed = Buffer.allocUnsafe(1 + nonceLength + length + tagLength);
  sealed[0] = version;
  sealed.set(nonce, 1);
  sealed.set(body, 1 + nonceLength);
  sealed.set(cipher.getAuthTag(), 1 + nonceLength + length);
  return sealed;
}

/** Throws BrokenSeal unless every bit is as it was sealed. */
export function openBytes(key: KeyObject, sealed: Uint8Array, context: string): Buffer {
  const end = sealed.length - tagLength;
  if (sealed[0] !== version || end < 1 + nonceLength) throw new BrokenSeal(context);
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(1, 1 + nonceLength), { authTagLength: tagLength });
  decipher.setAAD(boundTo(context)).setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(1 + nonceLength, end));
  try {
    // Throws unless the tag fits. GCM keeps nothing back for it.
    decipher.final();
  } catch {
    throw new BrokenSeal(context);
  }
  return plain;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Opens a text with a key, or, without one, takes it as it is: the plain vault's. */
export function openText(key: KeyObject | undefined, sealed: Uint8Array, context: string): string {
  return decoder.decode(key === undefined ? sealed : openBytes(key, sealed, context));
}

/**
 * The values under one data key. 2^32 values of random 96-bit nonces are the most that one key may seal (NIST SP 800-38D,
 * 8.3). A conversation has one for each event, row and answer: at 50 pieces a second without a pause, in 2.7 years.
 */
export class Seal {
  /** Undefined: nothing is hidden. Can be handed to a worker thread. */
  readonly key: KeyObject | undefined;

  constructor(key: KeyObject | undefined) {
    this.key = key;
  }

  /** Callers give it JSON, which has no lone surrogates, so that UTF-8 is exact. */
  seal(text: string, context: string): Uint8Array {
    return this.key === undefined ? Buffer.from(text, "utf8") : sealBytes(this.key, text, context);
  }

  open(sealed: Uint8Array, context: string): string {
    return openText(this.key, sealed, context);
  }
}
