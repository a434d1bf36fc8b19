// Owns what the client SDK offers to others: `throughline/client`.
export { socketUrl } from "./address.ts";
export { createClient, type Client, type ClientOptions } from "./client.ts";
export { createCell, until, type Cell, type Readable } from "./cell.ts";
export type { ConnectionState } from "./connection.ts";
export type { Content, ConversationHandle } from "./conversation.ts";
export type { ConversationList, Conversations, ListedConversation } from "./conversations.ts";
export type { Draft } from "./drafts.ts";
export {
  memoryLocal,
  pageStore,
  uuidAt,
  type Clock,
  type LocalStore,
  type SocketFactory,
  type SocketLike,
} from "./environment.ts";
export { indexedDbStore } from "./indexed-db.ts";
export type { Pending } from "./outbox.ts";
export type { KeptItem, KeptStore } from "./kept.ts";
export { memoryStore, type OutboxItem, type OutboxStore } from "./outbox-store.ts";
export { RequestError } from "./requests.ts";
export type { Person, Token } from "./sign-in.ts";
export type { Branch } from "./thread.ts";
export type { ConversationView, Entry, ReplicaStatus } from "./view.ts";
export type { ConversationRow, Message, Part, Rejection, SentPart, SessionRow } from "../protocol/index.ts";
