// Owns the proof of sessions in the SDK: listed, ended, and a guest who becomes somebody without losing a word.
import { expect, onTestFinished, test } from "vitest";
import { createClient, RequestError, until, type Client } from "../../src/client/index.ts";
import { makeKey, serveKeys, sign } from "../identity/issuer.ts";
import { startServer } from "./server.ts";
import { finished, guest, online, repliesOf, streaming, textOf } from "./talk.ts";

async function serve(): Promise<{ url: string; tokenOf: (sub: string) => Promise<string> }> {
  const key = await makeKey("one");
  const keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
  onTestFinished(() => keys.close());
  const iss = "https://issuer.example";
  const server = await startServer({ AUTH: `guest,oidc:${iss}#chat`, AUTH_JWKS_URL: `${keys.url}/jwks` });
  const tokenOf = (sub: string): Promise<string> => {
    const now = Math.floor(Date.now() / 1000);
    return sign(key, { iss, aud: "chat", sub, iat: now, exp: now + 600 });
  };
  return { url: server.url, tokenOf };
}
const client = (url: string, token: string, name: string): Client => {
  const made = createClient({ url, token, name });
  onTestFinished(() => made.close());
  return made;
};

test("PE7 PE8 the SDK lists a person's sessions and ends one of them; of another's it says not_found", async () => {
  const { url, tokenOf } = await serve();
  const [phone, laptop, bob] = [
    client(url, await tokenOf("ann"), "Pocket"),
    client(url, await tokenOf("ann"), "Desk"),
    client(url, await tokenOf("bob"), "Bob's"),
  ];
  phone.connect();
  bob.connect();
  await online(phone);
  await online(bob);
  const rows = await laptop.sessions();
  expect(rows).toMatchObject([
    { device: "Desk", current: true, place: "this computer" },
    { device: "Pocket", current: false },
  ]);
  const [bobs] = await bob.sessions();
  await expect(laptop.revokeSession(bobs?.id ?? "")).rejects.toMatchObject({ code: "not_found" });
  await expect(laptop.revokeSession(bobs?.id ?? "")).rejects.toBeInstanceOf(RequestError);
  await laptop.revokeSession(rows[1]?.id ?? "");
  await until(phone.connection, (state) => (state.kind === "signed-out" ? true : undefined));
  expect(await laptop.sessions()).toHaveLength(1);
});

test("PE9 AZ18 a guest who signs in keeps the conversation on the screen, the reply that is made, and what is not sent yet", async () => {
  const { url, tokenOf } = await serve();
  const visitor = guest(url);
  const conversation = visitor.conversation(visitor.newId());
  conversation.subscribe(() => undefined);
  const first = conversation.send("Hello, 60 words");
  await streaming(conversation, first);
  const was = visitor.person.getSnapshot()?.id;
  // Waits behind the reply that is being made, and is written as the guest.
  const second = conversation.send("And again, 5 words, fast");
  visitor.signIn(await tokenOf("ann"));
  const person = await until(visitor.person, (now) => (now?.id === was ? undefined : now));
  expect(person.id).toMatch(/^user_/);
  await online(visitor);
  await finished(conversation, first);
  await finished(conversation, second);
  const view = conversation.getSnapshot();
  const said = view.entries.flatMap(({ message }) => (message.role === "user" ? [textOf(message)] : []));
  expect(said).toEqual(["Hello, 60 words", "And again, 5 words, fast"]);
  expect(repliesOf(view).every((reply) => reply.metadata.status === "completed" && textOf(reply) !== "")).toBe(true);
  expect(visitor.pending.getSnapshot()).toEqual([]);
  const elsewhere = client(url, await tokenOf("ann"), "Desk");
  const { rows } = await elsewhere.list({});
  expect(rows.map(({ id }) => id)).toEqual([conversation.id]);
});
