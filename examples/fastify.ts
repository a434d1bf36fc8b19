// Throughline inside a Fastify app that signs its people in with its own tokens.
import type { Server } from "node:http";
import fastify from "fastify";
import { createHost, rejection, type Host, type Identity, type Model } from "../src/host.ts";

/** The app's own tokens: here `user:NAME`; in life a signed cookie's content, an API key, anything that can be verified. */
const appTokens: Identity = {
  verify(token) {
    const name = /^user:(\w+)$/.exec(token)?.[1];
    if (name === undefined) return Promise.resolve(rejection("unauthorized"));
    return Promise.resolve({ issuer: "my-app", subject: name, name, expiresAt: Date.now() + 3_600_000 });
  },
};

export async function startFastifyApp(dataDir: string, model: Model): Promise<{ server: Server; host: Host }> {
  const app = fastify();
  app.get("/", () => "my app");
  const host = await createHost({ dataDir, model, identity: appTokens, guests: false });
  await app.ready();
  host.attach(app.server);
  return { server: app.server, host };
}
