// Owns a real OpenID Connect issuer for tests, on loopback: discovery, a page that asks who it is, codes with PKCE, refresh, keys.
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeKey, sign } from "./issuer.ts";

type Grant = {
  readonly sub: string;
  readonly nonce: string | undefined;
  readonly challenge: string;
  readonly redirect: string;
};

export type OidcIssuer = {
  readonly url: string;
  readonly client: string;
  /** Whoever comes is this person; undefined: a page asks. */
  person: string | undefined;
  /** Seconds that the next ID token lasts. */
  lasting: number;
  /** Whether refresh tokens are given. */
  refreshes: boolean;
  /** Changes what is given out: to be a bad issuer. */
  spoil: {
    discovery?: (document: Record<string, unknown>) => Record<string, unknown>;
    claims?: (claims: Record<string, unknown>) => Record<string, unknown>;
    /** The parameters that lead back. */
    back?: (parameters: URLSearchParams) => void;
    /** A status for the token endpoint. */
    status?: number;
  };
  /** What was asked: `METHOD path`, and the parameters. */
  readonly asked: { readonly what: string; readonly parameters: Readonly<Record<string, string>> }[];
  /** Every token and code that was given out. */
  readonly secrets: string[];
  /** A token as the issuer would give it. */
  token(sub: string, more?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
};

export async function startOidcIssuer(client = "chat-app"): Promise<OidcIssuer> {
  const key = await makeKey("one");
  const codes = new Map<string, Grant>();
  const refreshTokens = new Map<string, string>();

  const give = async (sub: string, nonce: string | undefined): Promise<Record<string, unknown>> => {
    const now = Math.floor(Date.now() / 1000);
    const plain = {
      iss: issuer.url,
      aud: client,
      sub,
      name: sub,
      iat: now,
      exp: now + issuer.lasting,
      jti: randomUUID(),
    };
    const claims = { ...plain, ...(nonce === undefined ? {} : { nonce }) };
    const idToken = await sign(key, issuer.spoil.claims?.(claims) ?? claims);
    const refreshToken = randomUUID();
    issuer.secrets.push(idToken, refreshToken);
    if (issuer.refreshes) refreshTokens.set(refreshToken, sub);
    const refresh = issuer.refreshes ? { refresh_token: refreshToken } : {};
    return {
      token_type: "Bearer",
      access_token: randomUUID(),
      expires_in: issuer.lasting,
      id_token: idToken,
      ...refresh,
    };
  };

  const authorize = (given: URLSearchParams, response: ServerResponse): void => {
    const redirect = given.get("redirect_uri") ?? "";
    const person = given.get("person") ?? issuer.person;
    const known = given.get("client_id") === client && given.get("response_type") === "code";
    if (!known || given.get("code_challenge_method") !== "S256" || !redirect.endsWith("/signed-in")) {
      response.writeHead(400).end("a bad request");
      return;
    }
    if (person === undefined) {
      const fields = [...given]
        .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
        .join("");
      const form = `<form>${fields}<label>Who? <input name="person"></label><button>Go</button></form>`;
      response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><title>Issuer</title>${form}`);
      return;
    }
    const code = randomUUID();
    issuer.secrets.push(code);
    const challenge = given.get("code_challenge") ?? "";
    codes.set(code, { sub: person, nonce: given.get("nonce") ?? undefined, challenge, redirect });
    const back = new URLSearchParams({ code, state: given.get("state") ?? "", iss: issuer.url });
    issuer.spoil.back?.(back);
    const mark = given.get("response_mode") === "fragment" ? "#" : "?";
    response.writeHead(302, { location: `${redirect}${mark}${back}` }).end();
  };

  const exchange = async (given: URLSearchParams, response: ServerResponse): Promise<void> => {
    const refuse = (error: string, words?: string): void => json(response, 400, { error, error_description: words });
    if (issuer.spoil.status !== undefined) return json(response, issuer.spoil.status, { error: "server_error" });
    if (given.get("client_id") !== client) return refuse("invalid_client");
    if (given.get("grant_type") === "refresh_token") {
      const token = given.get("refresh_token") ?? "";
      const sub = refreshTokens.get(token);
      refreshTokens.delete(token);
      return sub === undefined ? refuse("invalid_grant") : json(response, 200, await give(sub, undefined));
    }
    const grant = codes.get(given.get("code") ?? "");
    codes.delete(given.get("code") ?? "");
    const proof = createHash("sha256")
      .update(given.get("code_verifier") ?? "")
      .digest("base64url");
    if (grant === undefined || grant.challenge !== proof) return refuse("invalid_grant", "no such code");
    if (grant.redirect !== given.get("redirect_uri")) return refuse("invalid_grant", "another redirect_uri");
    return json(response, 200, await give(grant.sub, grant.nonce));
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", issuer.url);
    const given = request.method === "POST" ? new URLSearchParams(await bodyOf(request)) : url.searchParams;
    issuer.asked.push({ what: `${request.method} ${url.pathname}`, parameters: Object.fromEntries(given) });
    switch (`${request.method} ${url.pathname}`) {
      case "GET /.well-known/openid-configuration": {
        const document = {
          issuer: issuer.url,
          authorization_endpoint: `${issuer.url}/authorize`,
          token_endpoint: `${issuer.url}/token`,
          jwks_uri: `${issuer.url}/jwks`,
          scopes_supported: ["openid", "profile", "email", "offline_access"],
          code_challenge_methods_supported: ["S256"],
          authorization_response_iss_parameter_supported: true,
        };
        return json(response, 200, issuer.spoil.discovery?.(document) ?? document);
      }
      case "GET /jwks":
        return json(response, 200, { keys: [key.jwk] });
      case "GET /authorize":
        return authorize(given, response);
      case "POST /token":
        return exchange(given, response);
      case "GET /favicon.ico":
        response.writeHead(204).end();
        return undefined;
      default:
        response.writeHead(404).end();
        return undefined;
    }
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const issuer: OidcIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    client,
    person: undefined,
    lasting: 3600,
    refreshes: true,
    spoil: {},
    asked: [],
    secrets: [],
    async token(sub, more = {}) {
      const now = Math.floor(Date.now() / 1000);
      return sign(key, { iss: issuer.url, aud: client, sub, name: sub, iat: now, exp: now + 3600, ...more });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return issuer;
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of request) text += String(part);
  return text;
}

/** An answer that a page of any origin may read, as issuers let public clients do. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  const headers = { "content-type": "application/json", "access-control-allow-origin": "*", connection: "close" };
  response.writeHead(status, headers).end(JSON.stringify(body));
}
