// Owns one issuer's signing keys: where they are, when they may be fetched, what is kept. Must not be steered by any token.
import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet, type JWSHeaderParameters } from "jose";
import * as v from "valibot";
import type { Clock, Journal } from "../../server/ports.ts";

/** Least time between two fetches of one issuer, begun to begun, whatever tokens come. Milliseconds. */
const fetchEveryMs = 30_000;
/** Age at which keys are fetched again, so that a withdrawn key stops working. Milliseconds. */
const keysFreshMs = 600_000;
const fetchTimeoutMs = 4_000;

/** What a fetch of the keys needs of the world. */
export type Outside = {
  readonly clock: Pick<Clock, "monotonic" | "after">;
  readonly fetch: typeof globalThis.fetch;
  readonly journal?: Pick<Journal, "warn"> | undefined;
};

/** The key of a token; `unknown`: the issuer has no such key; or how long until it can be told, in milliseconds. */
export type Found = CryptoKey | "unknown" | { readonly unavailableMs: number };

const keySet = v.looseObject({ keys: v.array(v.looseObject({ kty: v.string() })) });
const discovery = v.looseObject({ issuer: v.string(), jwks_uri: v.pipe(v.string(), v.url()) });

type Keys = { readonly at: number; readonly find: ReturnType<typeof createLocalJWKSet> };

/** The keys of one issuer, cached. `jwksUrl` undefined: found through the issuer's own discovery document. */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #configuredUrl: string | undefined;
  readonly #outside: Outside;
  #discoveredUrl: string | undefined;
  #keys: Keys | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #lastFailed = false;
  #pending: Promise<void> | undefined;

  constructor(issuer: string, jwksUrl: string | undefined, outside: Outside) {
    this.#issuer = issuer;
    this.#configuredUrl = jwksUrl;
    this.#outside = outside;
  }

  /** The key that a token's header names. Fetches where the keys are old or the key is unknown, and only when it is due. */
  async find(header: JWSHeaderParameters): Promise<Found> {
    const stale = this.#keys === undefined || this.#outside.clock.monotonic() - this.#keys.at >= keysFreshMs;
    if (stale) await this.#refresh();
    const known = await this.#lookUp(header);
    if (known !== undefined) return known;
    await this.#refresh();
    const found = await this.#lookUp(header);
    if (found !== undefined) return found;
    // While the issuer is out of reach, an unknown key may as well be a new one: nobody is told that their token is bad.
    if (this.#keys !== undefined && !this.#lastFailed) return "unknown";
    const waited = this.#outside.clock.monotonic() - this.#fetchedAt;
    return { unavailableMs: Math.max(0, fetchEveryMs - waited) };
  }

  async #lookUp(header: JWSHeaderParameters): Promise<CryptoKey | undefined> {
    try {
      return await this.#keys?.find(header);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
      // Key material that WebCrypto cannot import is as good as no key.
      if (error instanceof DOMException) return undefined;
      throw error;
    }
  }

  async #refresh(): Promise<void> {
    if (this.#pending !== undefined) return this.#pending;
    const now = this.#outside.clock.monotonic();
    if (now - this.#fetchedAt < fetchEveryMs) return;
    this.#fetchedAt = now;
    this.#pending = this.#load(now);
    try {
      await this.#pending;
    } finally {
      this.#pending = undefined;
    }
  }

  async #load(now: number): Promise<void> {
    const abort = new AbortController();
    const cancel = this.#outside.clock.after(fetchTimeoutMs, () => abort.abort());
    try {
      const body = v.parse(keySet, await this.#getJson(await this.#locate(abort.signal), abort.signal));
      this.#keys = { at: now, find: createLocalJWKSet(body satisfies JSONWebKeySet) };
      this.#lastFailed = false;
    } catch {
      // Whatever it was (network, status, shape), it means the same: no new keys now, look for their address again.
      this.#lastFailed = true;
      this.#discoveredUrl = undefined;
      this.#outside.journal?.warn("identity.keys_unavailable", { issuer: this.#issuer });
    } finally {
      cancel();
    }
  }

  async #locate(signal: AbortSignal): Promise<string> {
    const known = this.#configuredUrl ?? this.#discoveredUrl;
    if (known !== undefined) return known;
    const address = `${this.#issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const document = v.parse(discovery, await this.#getJson(address, signal));
    if (document.issuer !== this.#issuer) throw new Error("the discovery document names another issuer");
    const secure = document.jwks_uri.startsWith("https://") || this.#issuer.startsWith("http://");
    if (!secure) throw new Error("the discovery document leads to keys over plain HTTP");
    this.#discoveredUrl = document.jwks_uri;
    return document.jwks_uri;
  }

  async #getJson(url: string, signal: AbortSignal): Promise<unknown> {
    // A redirect would lead to a host that nobody configured.
    const response = await this.#outside.fetch(url, {
      redirect: "error",
      signal,
      headers: { accept: "application/json" },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`HTTP ${response.status}`);
    }
    return response.json();
  }
}
