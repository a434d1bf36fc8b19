// A client in one page: streams a reply into the terminal and goes on by cursor after every loss of the connection.
//   npm run talk -- "a long answer" [http://127.0.0.1:8787]
const [text = "hello", base = "http://127.0.0.1:8787"] = process.argv.slice(2);
const url = `${base.replace(/^http/, "ws")}/api/v1/async/chatbot`;
const [conversation, message, command] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
let session: string | undefined;
let seq = 0;
let tries = 0;

type Frame = {
  type: string;
  id?: string;
  session?: { token: string };
  from: number;
  to: number;
  events: { kind: string; text?: string; mode?: string; status?: string }[];
};

function connect(): void {
  const socket = new WebSocket(url, "throughline.v1");
  const send = (frame: object): void => socket.send(JSON.stringify(frame));
  socket.addEventListener("open", () =>
    send({ type: "auth", id: "auth", ...(session ? { session } : { guest: true }) }),
  );
  socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(String(data)) as Frame;
    if (frame.type === "ack" && frame.id === "auth") {
      tries = 0;
      session = frame.session?.token;
      // The same id again is harmless: the server answers it as it did before.
      send({ type: "message.send", id: command, conversation, message, parts: [{ type: "text", text }] });
      send({ type: "conversation.open", id: "open", conversation, seq });
    } else if (frame.type === "events" && frame.from === seq + 1) {
      seq = frame.to;
      for (const event of frame.events) {
        if (event.kind === "reply.appended") process.stdout.write(event.text ?? "");
        if (event.kind === "turn.resumed" && event.mode === "restart") console.log("\n[begun again]");
        if (event.kind === "turn.finished") {
          console.log(`\n[${event.status}]`);
          process.exit(0);
        }
      }
    }
  });
  socket.addEventListener("close", () => setTimeout(connect, Math.random() * Math.min(20_000, 500 * 2 ** tries++)));
  socket.addEventListener("error", () => undefined);
}

connect();
