// Owns the hooks: the SDK's snapshots as React state. Leaving a component stops nothing but the looking (B08).
import { createContext, createElement, useCallback, useContext, useSyncExternalStore, type ReactNode } from "react";
import type {
  Client,
  ConnectionState,
  ConversationHandle,
  ConversationList,
  ConversationView,
  Pending,
  Person,
  Readable,
} from "../client/index.ts";

const ClientContext = createContext<Client | undefined>(undefined);

/** Gives a client to all hooks below. The client outlives the component: whoever made it closes it. */
export function ThroughlineProvider(props: { readonly client: Client; readonly children?: ReactNode }): ReactNode {
  return createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/** The client of the provider above. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === undefined) throw new Error("There is no ThroughlineProvider above this component.");
  return client;
}

/** A snapshot as state: the component is drawn again when it changes. */
export function useReadable<T>({ subscribe, getSnapshot }: Readable<T>): T {
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot);
}

export const useConnection = (): ConnectionState => useReadable(useClient().connection);
export const usePerson = (): Person | undefined => useReadable(useClient().person);
export const usePending = (): readonly Pending[] => useReadable(useClient().pending);

/** The list of conversations, and what loads more of it. */
export function useConversations(): ConversationList & { readonly loadMore: () => Promise<void> } {
  const { conversations } = useClient();
  const list = useReadable(conversations);
  return { ...list, loadMore: () => conversations.loadMore() };
}

/** A conversation: what is shown of it, and what can be done in it. Reading it opens it. */
export function useConversation(id: string): {
  readonly view: ConversationView;
  readonly conversation: ConversationHandle;
} {
  const conversation = useClient().conversation(id);
  return { view: useReadable(conversation), conversation };
}

/** What stands in the box of a conversation: its text, what changes it, and what sends it. */
export function useDraft(id: string): readonly [text: string, set: (text: string) => void, send: () => void] {
  const client = useClient();
  const draft = client.draft(id);
  const send = useCallback(() => void client.sendDraft(id), [client, id]);
  const set = useCallback((text: string) => draft.set(text), [draft]);
  return [useReadable(draft), set, send];
}
