// A chat on assistant-ui: its runtime for the AI SDK on useChat, useChat on Throughline's transport.
import { ComposerPrimitive, MessagePrimitive, ThreadPrimitive, AssistantRuntimeProvider } from "@assistant-ui/react";
import { useAISDKRuntime } from "@assistant-ui/react-ai-sdk";
import { useChat } from "@ai-sdk/react";
import { useEffect } from "react";
import type { throughlineTransport } from "../../src/ai-sdk/index.ts";

/** In your app the transport comes from `throughline/ai-sdk`: `throughlineTransport({ client })`. */
export function Assistant({ id, transport }: { id: string; transport: ReturnType<typeof throughlineTransport> }) {
  const chat = useChat({ id, transport, resume: true });
  const { setMessages } = chat;
  useEffect(() => {
    // What was said before this page was loaded.
    void transport.load(id).then((loaded) => setMessages((now) => (now.length === 0 ? loaded : now)));
  }, [id, transport, setMessages]);
  // The stop of useChat only looks away; the one of the transport ends the reply on the server.
  const runtime = useAISDKRuntime({ ...chat, stop: () => transport.stop(id) });

  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Viewport>
          <ThreadPrimitive.Messages components={{ Message }} />
        </ThreadPrimitive.Viewport>
        <ComposerPrimitive.Root>
          <ComposerPrimitive.Input aria-label="Message" />
          <ThreadPrimitive.If running={false}>
            <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
          </ThreadPrimitive.If>
          <ThreadPrimitive.If running>
            <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
          </ThreadPrimitive.If>
        </ComposerPrimitive.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

function Message() {
  return (
    <MessagePrimitive.Root>
      <MessagePrimitive.Parts components={{ Text: ({ text }) => <p>{text}</p> }} />
    </MessagePrimitive.Root>
  );
}
