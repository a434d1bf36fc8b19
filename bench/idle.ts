// Owns a client process of idle connections: `node bench/idle.ts KIND URL COUNT ADDRESS`. Prints the URL once all are there, and holds them.
import { bareConnection, joinSocketIo, sign } from "./clients.ts";

const [kind = "", url = "", count = "0", localAddress = "127.0.0.1"] = process.argv.slice(2);
const openers = {
  relay: () => bareConnection(url, { localAddress }),
  "socket.io": async () => (await joinSocketIo(url, { localAddress })).ws,
  throughline: async () => (await sign(url, undefined, { localAddress })).ws,
};
const open = Object.entries(openers).find(([name]) => name === kind)?.[1];
if (open === undefined) throw new Error(`no such kind: ${kind}`);
for (let done = 0; done < Number(count); done += 100) {
  const some = Array.from({ length: Math.min(100, Number(count) - done) }, open);
  for (const ws of await Promise.all(some)) {
    // One that is lost would make the others look cheap.
    ws.on("close", (code) => {
      console.error(`an idle connection was closed with ${code}`);
      process.exit(1);
    });
  }
}
console.log(`all are connected to ${url}`);
