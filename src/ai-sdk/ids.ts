// Owns the ids: those that a chat UI makes up to the UUIDs of the wire, the same ones on every device of a person.
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const bytes = new TextEncoder();

/**
 * A UUID for an id: itself where it is one, else a UUID v8 from SHA-256 over `scope` and the id. `scope` holds the user, so
 * that two people's chats of one name are two. Source: RFC 9562, section 5.8. Needs a secure context unless the id is a UUID.
 */
export async function uuidFor(scope: readonly string[], id: string): Promise<string> {
  if (uuid.test(id)) return id.toLowerCase();
  if (globalThis.crypto?.subtle === undefined) {
    throw new Error(
      "Ids that are not UUIDs need a secure context (https): give useChat a UUID as id and in generateId.",
    );
  }
  const hash = await crypto.subtle.digest("SHA-256", bytes.encode(JSON.stringify([...scope, id])));
  const hex = Array.from(new Uint8Array(hash).subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const variant = "89ab"[Number.parseInt(hex[16] ?? "0", 16) % 4] ?? "8";
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
