// Owns a stand-in for Firebase's sign-in on loopback, with the two endpoints and the answers that its documentation names.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { encode } from "./issuer.ts";
import { bodyOf, json } from "./oidc-issuer.ts";

export type Toolkit = {
  /** As in `FIREBASE_AUTH_EMULATOR_HOST`. */
  readonly host: string;
  /** Passwords by email. */
  readonly accounts: Map<string, string>;
  /** Seconds that the next ID token lasts. */
  lasting: number;
  /** The message of the next refusals, whatever is asked. */
  refusal: string | undefined;
  /** What was asked: `METHOD path?query`, and the body. */
  readonly asked: { readonly what: string; readonly body: string; readonly referer: string | undefined }[];
  readonly secrets: string[];
  close(): Promise<void>;
};

export async function startToolkit(project: string): Promise<Toolkit> {
  const refreshTokens = new Map<string, string>();

  /** Unsigned, as the emulator's are. */
  const give = (sub: string): { token: string; refresh: string; lasts: string } => {
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, auth_time: now, exp: now + toolkit.lasting };
    const iss = `https://securetoken.google.com/${project}`;
    const claims = { iss, aud: project, sub, user_id: sub, name: sub, jti: randomUUID(), ...times };
    const token = `${encode({ alg: "none", typ: "JWT" })}.${encode(claims)}.`;
    const refresh = randomUUID();
    refreshTokens.set(refresh, sub);
    toolkit.secrets.push(token, refresh);
    return { token, refresh, lasts: String(toolkit.lasting) };
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (request.method === "OPTIONS") {
      const allow = { "access-control-allow-origin": "*", "access-control-allow-headers": "content-type" };
      response.writeHead(204, allow).end();
      return;
    }
    const body = await bodyOf(request);
    toolkit.asked.push({ what: `${request.method} ${request.url}`, body, referer: request.headers.referer });
    const refuse = (message: string): void => json(response, 400, { error: { code: 400, message, errors: [] } });
    if (toolkit.refusal !== undefined) return refuse(toolkit.refusal);
    if (url.pathname === "/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword") {
      const { email, password } = JSON.parse(body) as { email: string; password: string };
      if (toolkit.accounts.get(email) !== password) return refuse("INVALID_LOGIN_CREDENTIALS");
      const { token, refresh, lasts } = give(email.split("@")[0] ?? "");
      return json(response, 200, { idToken: token, refreshToken: refresh, expiresIn: lasts, localId: email, email });
    }
    if (url.pathname === "/securetoken.googleapis.com/v1/token") {
      const sub = refreshTokens.get(new URLSearchParams(body).get("refresh_token") ?? "");
      if (sub === undefined) return refuse("INVALID_REFRESH_TOKEN");
      const { token, refresh, lasts } = give(sub);
      return json(response, 200, { id_token: token, refresh_token: refresh, expires_in: lasts, token_type: "Bearer" });
    }
    response.writeHead(404).end();
    return undefined;
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const toolkit: Toolkit = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    accounts: new Map([["ann@example.org", "correct horse"]]),
    lasting: 3600,
    refusal: undefined,
    asked: [],
    secrets: [],
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return toolkit;
}
