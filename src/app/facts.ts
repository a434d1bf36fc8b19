// Owns what the server told the page about itself when it served it.
import * as v from "valibot";

const schema = v.object({
  model: v.string(),
  version: v.string(),
  guests: v.boolean(),
  signIn: v.array(
    v.variant("kind", [
      v.object({ kind: v.literal("oidc"), issuer: v.string(), client: v.string() }),
      v.object({ kind: v.literal("firebase"), key: v.string(), emulator: v.optional(v.string()) }),
    ]),
  ),
});
export type Facts = v.InferOutput<typeof schema>;
export type Way = Facts["signIn"][number];

/** What the page says; a guest's chat with an unnamed model where it says nothing. */
export function readFacts(): Facts {
  const text = document.querySelector<HTMLMetaElement>('meta[name="throughline"]')?.content ?? "";
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    return { model: "demo", version: "", guests: true, signIn: [] };
  }
}
