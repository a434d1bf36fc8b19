// @vitest-environment happy-dom
// Proves the hooks in React itself, in StrictMode, against the real server: looking and leaving change nothing but what is drawn.
import { createElement, StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { expect, onTestFinished, test } from "vitest";
import { Assistant } from "../../examples/assistant-ui/chat.tsx";
import { Chat } from "../../examples/use-chat/chat.tsx";
import { throughlineTransport } from "../../src/ai-sdk/index.ts";
import { memoryLocal, type Client } from "../../src/client/index.ts";
import {
  ThroughlineProvider,
  useConnection,
  useConversation,
  useConversations,
  useDraft,
  usePerson,
} from "../../src/react/index.ts";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { startServer } from "./server.ts";
import { guest, textOf } from "./talk.ts";

async function world() {
  const model = await startModelServer({ prefill: true });
  onTestFinished(() => model.close());
  const server = await startServer({
    OPENAI_BASE_URL: model.url,
    MODEL: "openai-compatible:test-model",
    ALLOWED_ORIGINS: "*",
  });
  return { model, server };
}

function show(node: ReactNode): { element: HTMLElement; leave: () => void } {
  const element = document.createElement("div");
  document.body.append(element);
  const root = createRoot(element);
  root.render(<StrictMode>{node}</StrictMode>);
  const leave = (): void => root.unmount();
  onTestFinished(leave);
  return { element, leave };
}

/** Waits until React has drawn it, at its own pace, as in a browser. */
const eventually = async (look: () => void): Promise<void> => {
  const seen = (): boolean => {
    look();
    return true;
  };
  await expect.poll(seen, { interval: 10, timeout: 15_000 }).toBe(true);
};

function Page({ id }: { readonly id: string }): ReactNode {
  const { view, conversation } = useConversation(id);
  const [draft, setDraft, send] = useDraft(id);
  const list = useConversations();
  const connection = useConnection();
  return (
    <main>
      <output>{connection.kind}</output>
      <b>{usePerson()?.id}</b>
      <ul>{list.rows.map((row) => createElement("li", { key: row.id }, row.id))}</ul>
      {view.entries.map(({ message }) => (
        <p key={message.id}>{textOf(message)}</p>
      ))}
      <input value={draft} readOnly />
      <button id="type" onClick={() => setDraft("Typed {{chars=800 rate=200}}")} />
      <button id="send" onClick={send} />
      <button id="stop" onClick={() => void conversation.stop()} />
    </main>
  );
}

const press = (element: HTMLElement, id: string): void => element.querySelector<HTMLElement>(`#${id}`)?.click();
const paragraphs = (element: HTMLElement): (string | null)[] =>
  [...element.querySelectorAll("p")].map((p) => p.textContent);

test("B08 in StrictMode a draft is typed, sent and answered; leaving in mid-reply stops nothing", async () => {
  const { server, model } = await world();
  const client = guest(server.url);
  const id = client.newId();
  const page = (client: Client): ReactNode => (
    <ThroughlineProvider client={client}>
      <Page id={id} />
    </ThroughlineProvider>
  );
  const first = show(page(client));
  await eventually(() => expect(first.element.querySelector("output")?.textContent).toBe("online"));
  press(first.element, "type");
  await eventually(() => expect(first.element.querySelector("input")?.value).toBe("Typed {{chars=800 rate=200}}"));
  press(first.element, "send");
  await eventually(() => expect(paragraphs(first.element)[1]?.length).toBeGreaterThan(50));
  expect(first.element.querySelector("input")?.value).toBe("");
  first.leave();
  const second = show(page(client));
  await eventually(() => expect(paragraphs(second.element)[1]).toBe(expectedText(1, 800)));
  expect([...second.element.querySelectorAll("li")].map((li) => li.textContent)).toEqual([id]);
  expect(second.element.querySelector("b")?.textContent).toBe(client.person.getSnapshot()?.id);
  expect(model.requests.map((request) => request.outcome)).toEqual(["finished"]);
});

test("AI9 useChat, unchanged but for the transport, in StrictMode: left, and found again in mid-reply", async () => {
  const { server, model } = await world();
  const storage = { local: memoryLocal() };
  const id = "my chat";
  const client = guest(server.url, { storage });
  const first = show(<Chat id={id} transport={throughlineTransport({ client })} />);
  await eventually(() => expect(first.element.querySelector("output")?.textContent).toBe("ready"));
  const input = first.element.querySelector("input");
  // As a person types: React looks for a change that its own setter has not made.
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(
    input,
    "Hello {{chars=900 rate=150}}",
  );
  input?.dispatchEvent(new Event("input", { bubbles: true }));
  await eventually(() => expect(first.element.querySelector("input")?.value).toContain("Hello"));
  first.element.querySelector("button")?.click();
  await eventually(() => expect(paragraphs(first.element)[1]?.length).toBeGreaterThan(50));
  first.leave();

  const reloaded = guest(server.url, { storage });
  const second = show(<Chat id={id} transport={throughlineTransport({ client: reloaded })} />);
  await eventually(() => expect(second.element.querySelector("output")?.textContent).toBe("streaming"));
  await eventually(() =>
    expect(paragraphs(second.element)).toEqual(["Hello {{chars=900 rate=150}}", expectedText(1, 900)]),
  );
  await eventually(() => expect(second.element.querySelector("output")?.textContent).toBe("ready"));
  expect(second.element.querySelector("[role=alert]")).toBeNull();
  expect(model.requests.map((request) => request.outcome)).toEqual(["finished"]);
});

test("AI9 assistant-ui on the same transport: left, found again in mid-reply, and stopped on the server", async () => {
  const { server, model } = await world();
  const storage = { local: memoryLocal() };
  const id = "a thread";
  const client = guest(server.url, { storage });
  const first = show(<Assistant id={id} transport={throughlineTransport({ client })} />);
  const question = "Hello {{chars=3000 rate=150}}";
  const button = (element: HTMLElement, name: string): HTMLButtonElement | undefined =>
    [...element.querySelectorAll("button")].find((one) => one.textContent === name);
  await eventually(() => expect(first.element.querySelector("textarea")).not.toBeNull());
  const box = first.element.querySelector("textarea");
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")?.set?.call(box, question);
  box?.dispatchEvent(new Event("input", { bubbles: true }));
  await eventually(() => expect(button(first.element, "Send")?.disabled).toBe(false));
  button(first.element, "Send")?.click();
  await eventually(() => expect(paragraphs(first.element)[1]?.length).toBeGreaterThan(50));
  first.leave();

  const second = show(
    <Assistant id={id} transport={throughlineTransport({ client: guest(server.url, { storage }) })} />,
  );
  await eventually(() => expect(paragraphs(second.element)[1]?.length).toBeGreaterThan(100));
  await eventually(() => expect(button(second.element, "Stop")).toBeDefined());
  button(second.element, "Stop")?.click();
  await eventually(() => expect(button(second.element, "Send")).toBeDefined());
  const [asked, answered] = paragraphs(second.element).map((text) => text ?? "");
  expect(asked).toBe(question);
  expect(expectedText(1, 3000).startsWith(answered ?? "-")).toBe(true);
  expect(answered?.length).toBeLessThan(3000);
  await eventually(() => expect(model.requests.map((request) => request.outcome)).toEqual(["aborted"]));
});
