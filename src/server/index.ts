// What `throughline/server` offers to programs that bring their own parts: the ports, and the engine behind them.
export type * from "./ports.ts";
export { ModelFailure, StoreFailure } from "./ports.ts";
export { createEngine, defaultEngineSettings } from "./engine.ts";
export type { Engine, EngineParts, EngineSettings } from "./engine.ts";
