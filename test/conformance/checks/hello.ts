// Owns the checks of a connection's beginning, its signs of life and its end: upgrade, auth, pings, signing out.
import { WebSocket } from "ws";
import type { Json } from "../../support/wire-view.ts";
import { acked, must, same, type Check, type Visit } from "../visit.ts";

const auth = (more: Json): string => JSON.stringify({ type: "auth", id: "1", ...more });

/** What a socket that says `frame` first is closed with. */
async function codeAfter(visit: Visit, frame: string): Promise<number> {
  return visit.codeAfter(await visit.socket(), (socket) => socket.send(frame));
}

export const helloChecks: readonly Check[] = [
  {
    id: "CN1",
    what: "auth is answered with session, user, server, heartbeat, limits and the time; the subprotocol is taken up and not demanded; a session comes back as the same user",
    async run(visit) {
      same((await visit.socket()).protocol, "throughline.v1", "the subprotocol that was offered");
      same((await visit.socket([])).protocol, "", "the subprotocol where none was offered");
      const person = await visit.guest();
      same((person.hello["session"] as Json)["resumed"], false, "resumed of somebody new");
      const again = await visit.device(person);
      same((again.hello["session"] as Json)["resumed"], true, "resumed of a session");
      same(again.user, person.user, "the user of the session");
      must((await visit.guest()).user !== person.user, "two guests are one user");
    },
  },
  {
    id: "CN2",
    what: "anything before auth closes 4401, and so does a session that is none; an auth above 16 KiB closes 1009",
    async run(visit) {
      same(await codeAfter(visit, '{"type":"ping","id":"1"}'), 4401, "ping first");
      same(await codeAfter(visit, "no json"), 4401, "no JSON first");
      same(await codeAfter(visit, auth({ session: "no-such-session" })), 4401, "a wrong session");
      const large = auth({ guest: true, padding: "x".repeat(17 * 1024) });
      same(await codeAfter(visit, large), 1009, "an auth of 17 KiB");
    },
  },
  {
    id: "CN3",
    what: "no auth within 10 s closes 4408",
    async run(visit) {
      const socket = await visit.socket();
      const code = await visit.codeAfter(socket, () => undefined, 10_000 + visit.target.patienceMs);
      same(code, 4408, "the close code");
    },
  },
  {
    id: "CN4",
    what: "the server pings every heartbeatMs; a socket that answers none for two beats is dropped, one that answers stays",
    async run(visit) {
      const person = await visit.guest();
      const beat = Number(person.hello["heartbeatMs"]);
      const { socket } = await visit.signedIn(person, { autoPong: false });
      let pings = 0;
      socket.on("ping", () => pings++);
      const { patienceMs } = visit.target;
      await visit.until(() => pings > 0, "the first ping", beat + patienceMs);
      const isGone = (): boolean => socket.readyState === WebSocket.CLOSED;
      await visit.until(isGone, "the end of a socket that answers no ping", 3 * beat + patienceMs);
      must(pings > 1, "dropped after one ping");
      same(person.closed, undefined, "the end of a socket that answers");
      acked(await person.ask({ type: "ping" }));
    },
  },
  {
    id: "CN5",
    what: "signing out is acknowledged, then every socket of the session closes 4410; the session opens nothing more",
    async run(visit) {
      const person = await visit.guest();
      const other = await visit.device(person);
      acked(await person.ask({ type: "auth.logout" }));
      same((await visit.until(() => person.closed, "the close")).code, 4410, "the close code");
      same((await visit.until(() => other.closed, "the other's close")).code, 4410, "the other's close code");
      const code = await codeAfter(visit, auth({ session: person.token }));
      must(code === 4401 || code === 4410, `the session closes ${code}, not 4401 or 4410`);
    },
  },
  {
    id: "CG1",
    what: "G1: what is acknowledged is there on another connection, though this one is cut at once",
    async run(visit) {
      const person = await visit.guest();
      const conversation = crypto.randomUUID();
      acked(await person.ask({ type: "conversation.create", conversation, title: "kept" }));
      person.cut();
      const view = await (await visit.device(person)).read(conversation);
      same(view.title, "kept", "the title");
    },
  },
];
