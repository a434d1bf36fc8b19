// Owns a real issuer for tests: keys, a JWKS and discovery server on loopback, tokens, and a clock that is set by hand.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from "jose";

export type Key = { readonly kid: string; readonly alg: string; readonly privateKey: CryptoKey; readonly jwk: JWK };

export async function makeKey(kid: string, alg = "RS256"): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** A clock whose hands only a test moves. */
export function handClock(start = 1_800_000_000_000) {
  let passed = 0;
  const timers = new Set<{ at: number; fn: () => void }>();
  return {
    now: () => start + passed,
    monotonic: () => passed,
    after(ms: number, fn: () => void): () => void {
      const timer = { at: passed + ms, fn };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    pass(ms: number): void {
      passed += ms;
      for (const timer of timers) if (timer.at <= passed && timers.delete(timer)) timer.fn();
    },
    seconds: () => Math.floor((start + passed) / 1000),
  };
}

type Answer = { status?: number; headers?: Record<string, string>; body?: unknown; hang?: boolean };

/** A server on loopback whose answers are set by path; `requests` lists the paths asked for. */
export async function serveKeys(answers: Record<string, Answer>) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    requests.push(path);
    const { status = 200, headers = {}, body, hang } = answers[path] ?? { status: 404 };
    if (hang === true) return;
    response.writeHead(status, { "content-type": "application/json", connection: "close", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body ?? {}));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    requests,
    async close(): Promise<void> {
      server.closeAllConnections();
      if (server.listening) await new Promise((closed) => server.close(closed));
    },
  };
}

export function sign(key: Key, payload: JWTPayload, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
}

export const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
