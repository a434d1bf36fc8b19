// Owns what the package offers to the AI SDK: `throughline/ai-sdk`.
export { throughlineTransport, type ThroughlineTransport } from "./transport.ts";
