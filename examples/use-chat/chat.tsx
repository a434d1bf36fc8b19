// A chat on the AI SDK's useChat. What Throughline changes in it: the transport, and where Stop goes.
import { useChat } from "@ai-sdk/react";
import { useEffect, useState } from "react";
import { createClient } from "../../src/client/index.ts";
import { throughlineTransport } from "../../src/ai-sdk/index.ts";

/** One client and one transport for the whole page. In your app: `throughline/client` and `throughline/ai-sdk`. */
export function connect(url: string) {
  const client = createClient({ url, guest: true });
  return { client, transport: throughlineTransport({ client }) };
}

export function Chat({ id, transport }: { id: string; transport: ReturnType<typeof connect>["transport"] }) {
  const [input, setInput] = useState("");
  // `resume` finds a reply that is being made when the page is loaded, and shows it from its beginning.
  const { messages, setMessages, sendMessage, regenerate, status, error } = useChat({ id, transport, resume: true });
  useEffect(() => {
    // What was said before this page was loaded.
    void transport.load(id).then((loaded) => setMessages((now) => (now.length === 0 ? loaded : now)));
  }, [id, transport, setMessages]);

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void sendMessage({ text: input });
        setInput("");
      }}
    >
      {messages.map((message) => (
        <article key={message.id} data-role={message.role}>
          {message.parts.map((part, index) => (part.type === "text" ? <p key={index}>{part.text}</p> : null))}
        </article>
      ))}
      {error !== undefined && <p role="alert">{error.message}</p>}
      <input value={input} onChange={(event) => setInput(event.target.value)} />
      <output>{status}</output>
      <button type="submit">Send</button>
      <button type="button" onClick={() => void transport.stop(id)}>
        Stop
      </button>
      <button type="button" onClick={() => void regenerate()}>
        Retry
      </button>
    </form>
  );
}
