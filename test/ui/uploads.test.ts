// Owns the proof of whose the files beside a box are: real people on a real server, no page.
import { expect, onTestFinished, test } from "vitest";
import { createClient, until, type Client } from "../../src/client/index.ts";
import { knownFile, uploadsOf, type Upload, type Uploads } from "../../src/ui/uploads.ts";
import { startServer } from "../client/server.ts";
import { online } from "../client/talk.ts";
import { makeKey, serveKeys, sign } from "../identity/issuer.ts";

const issuer = "https://issuer.example";

async function serve(): Promise<{ url: string; tokenOf: (sub: string) => Promise<string> }> {
  const key = await makeKey("one");
  const keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
  onTestFinished(() => keys.close());
  const server = await startServer({ AUTH: `guest,oidc:${issuer}#chat`, AUTH_JWKS_URL: `${keys.url}/jwks` });
  const tokenOf = (sub: string): Promise<string> => {
    const now = Math.floor(Date.now() / 1000);
    return sign(key, { iss: issuer, aud: "chat", sub, iat: now, exp: now + 600 });
  };
  return { url: server.url, tokenOf };
}
const named = (name: string): File => new File([`words of ${name}`], name, { type: "text/plain" });
/** The files beside a box, once none is on its way. */
const settled = (uploads: Uploads): Promise<readonly Upload[]> =>
  until(uploads, (all) => (all.some(({ state }) => state.kind === "sending") ? undefined : all));
const personOf = (client: Client, id: (now: string) => boolean): Promise<string> =>
  until(client.person, (person) => (person !== undefined && id(person.id) ? person.id : undefined));

test("UI47 PE9 AZ18 files beside the box stay with a guest who signs in, and can be sent; the next person finds none", async () => {
  const { url, tokenOf } = await serve();
  const client = createClient({ url, guest: true });
  onTestFinished(() => client.close());
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const uploads = uploadsOf(client, conversation.id);
  uploads.add([named("a.txt"), named("b.txt")]);
  const [first] = await settled(uploads);
  const guest = await personOf(client, () => true);
  expect(first?.state.kind).toBe("ready");

  client.signIn(await tokenOf("ann"));
  const ann = await personOf(client, (id) => id !== guest);
  await online(client);
  expect(uploads.getSnapshot().map(({ name, state }) => [name, state.kind])).toEqual([
    ["a.txt", "ready"],
    ["b.txt", "ready"],
  ]);
  const parts = uploads.take();
  expect(uploads.getSnapshot()).toEqual([]);
  const message = conversation.send([{ type: "text", text: "one word" }, ...parts]);
  const names = await until(conversation, ({ entries }) => {
    const entry = entries.find((one) => one.message.id === message);
    if (entry?.pending?.status === "failed") return [JSON.stringify(entry.pending)];
    const files = (entry?.message.parts ?? []).flatMap((part) =>
      part.type === "file" && "filename" in part ? [part.filename] : [],
    );
    return files.length > 0 ? files : undefined;
  });
  expect(names).toEqual(["a.txt", "b.txt"]);

  uploads.add([named("secret.txt")]);
  const [secret] = await settled(uploads);
  const id = secret?.state.kind === "ready" ? secret.state.file.id : "";
  expect(knownFile(client, id)?.name).toBe("secret.txt");
  client.signIn(await tokenOf("bob"));
  await personOf(client, (now) => now !== ann && now !== guest);
  expect([uploads.getSnapshot(), knownFile(client, id)]).toEqual([[], undefined]);
});
