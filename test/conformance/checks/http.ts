// Owns the checks of what is beside the socket: files and their owners, health, the contract's own documents, problems.
import type { Json } from "../../support/wire-view.ts";
import { acked, must, newId, same, type Check, type Visit } from "../visit.ts";

const picture = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64"); // prettier-ignore

function request({ target }: Visit, path: string, token?: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  const signal = AbortSignal.timeout(target.patienceMs);
  return fetch(target.url.replace(/^ws/, "http") + path, { ...init, headers, signal });
}

/** A refusal over HTTP: its status, and the same codes as on the socket. */
async function problem(response: Response, status: number, code: string): Promise<void> {
  same(response.status, status, "the status");
  const type = response.headers.get("content-type") ?? "none";
  must(type.startsWith("application/problem+json"), `the type of a problem is ${type}`);
  same(((await response.json()) as Json)["code"], code, "the code of a problem");
}

export const httpChecks: readonly Check[] = [
  {
    id: "CN22",
    what: "health and readiness answer 200, and the contract is there as AsyncAPI and OpenAPI",
    async run(visit) {
      for (const path of ["/healthz", "/readyz"])
        same((await request(visit, path)).status, 200, `the status of ${path}`);
      for (const name of ["asyncapi", "openapi"]) {
        const response = await request(visit, `/api/v1/${name}.json`);
        same(response.status, 200, `the status of ${name}.json`);
        must(typeof ((await response.json()) as Json)[name] === "string", `${name}.json names no version of ${name}`);
      }
    },
  },
  {
    id: "CG9b",
    what: "G9: a file that was sent is a part of its message and comes back byte for byte, whole and by range; to anybody else, and in anybody else's message, it is `not_found`",
    async run(visit) {
      const [me, thief] = [await visit.guest(), await visit.guest()];
      const body = new FormData();
      body.set("file", new Blob([picture], { type: "image/png" }), "dot.png");
      await problem(await request(visit, "/api/v1/files", undefined, { method: "POST", body }), 401, "unauthorized");
      const made = await request(visit, "/api/v1/files", me.token, { method: "POST", body });
      same(made.status, 201, "the status of an upload");
      const file = (await made.json()) as Json;
      const digest = Buffer.from(await crypto.subtle.digest("SHA-256", picture)).toString("hex");
      const { id, name, mediaType, bytes, sha256 } = file;
      same([name, mediaType, bytes, sha256], ["dot.png", "image/png", picture.length, digest], "what was uploaded");
      const path = `/api/v1/files/${String(id)}`;
      const parts = [{ type: "text", text: visit.target.prompt }, { type: "file", file: id }]; // prettier-ignore
      const send = { type: "message.send", parts };
      const stolen = await thief.ask({ ...send, conversation: newId(), message: newId() });
      same(stolen.error?.code, "not_found", "the code of another person's file in a message");
      const [conversation, message] = [newId(), newId()];
      const sent = acked(await me.ask({ ...send, conversation, message }));
      await visit.stop(me, { conversation, turn: String(sent["turn"]) });
      const part = (await me.read(conversation, { seq: 0 })).messages.get(message)?.parts[1];
      same([part?.type, part?.["mediaType"], part?.["filename"]], ["file", "image/png", "dot.png"], "the file's part");
      const whole = await request(visit, path, me.token);
      same(Buffer.from(await whole.arrayBuffer()).equals(picture), true, "that the file is what was uploaded");
      const some = await request(visit, path, me.token, { headers: { range: "bytes=1-3" } });
      same([some.status, await some.text()], [206, "PNG"], "status and bytes of a range");
      await problem(await request(visit, path, thief.token), 404, "not_found");
      await problem(await request(visit, path), 401, "unauthorized");
    },
  },
];
