// Owns the way a store says that it will not start; must not be used for failures while running (those are StoreFailure).

/** The store refuses to start. `message` is a sentence for the operator: what is wrong and what to do. */
export class StoreRefusal extends Error {
  override readonly name = "StoreRefusal";
}
