// Owns how a file's bytes are sealed: chunks of AES-256-GCM, each bound to its file, its place and whether it is the last. No I/O.
import { createCipheriv, createDecipheriv } from "node:crypto";

const algorithm = "aes-256-gcm";
const tagLength = 16;
/** Bytes of a chunk before it is sealed; only the last may have fewer. */
export const chunkLength = 64 * 1024;
export const sealedLength = chunkLength + tagLength;
/** What every file begins with: another version can change all behind it. */
export const head = Buffer.from("TLF1", "latin1");

/** Sealed chunks of a file of so many bytes on the disk. undefined: no file has that many. */
export function chunksOf(length: number): number | undefined {
  const body = length - head.length;
  const count = Math.max(1, Math.ceil(body / sealedLength));
  return body - (count - 1) * sealedLength >= tagLength ? count : undefined;
}

/**
 * The nonce says the chunk's place and whether it is the last: none can be moved, left out, put in or cut off. The key is
 * one file's, which is written once, so that no nonce is used twice. Source: STREAM, Hoang, Reyhanitabar, Rogaway, Vizár 2015.
 */
function nonceOf(place: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(place, 7);
  nonce[11] = last ? 1 : 0;
  return nonce;
}
const boundTo = (id: string): Buffer => Buffer.from(`throughline file 1 ${id}`, "utf8");

export function sealChunk(id: string, key: Uint8Array, place: number, last: boolean, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, key, nonceOf(place, last)).setAAD(boundTo(id));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws unless every bit is as it was sealed, under this key, for this file and place. */
export function openChunk(id: string, key: Uint8Array, place: number, last: boolean, sealed: Uint8Array): Buffer {
  const end = sealed.length - tagLength;
  const decipher = createDecipheriv(algorithm, key, nonceOf(place, last), { authTagLength: tagLength });
  decipher.setAAD(boundTo(id)).setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
}
