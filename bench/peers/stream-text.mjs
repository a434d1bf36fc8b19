// A peer: AI SDK's streamText, piped as a UI message stream over HTTP; with a Redis URL, resumable from there.
import { createServer } from "node:http";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { pipeUIMessageStreamToResponse, streamText, toUIMessageStream } from "ai";
import { createClient } from "redis";
import { createResumableStreamContext } from "resumable-stream";

const [base, redis] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: "bench", baseURL: base });

async function contextOn(url) {
  const [publisher, subscriber] = [createClient({ url }), createClient({ url })];
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return createResumableStreamContext({ waitUntil: null, publisher, subscriber });
}
const context = redis === undefined ? undefined : await contextOn(redis);

const server = createServer((request, response) => {
  let prompt = "";
  request.on("data", (data) => (prompt += data));
  request.on("end", () => {
    const result = streamText({ model: provider("bench"), prompt });
    void pipeUIMessageStreamToResponse({
      response,
      stream: toUIMessageStream({ stream: result.stream }),
      consumeSseStream:
        context === undefined
          ? undefined
          : async ({ stream }) => void (await context.createNewResumableStream(crypto.randomUUID(), () => stream)),
    });
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
