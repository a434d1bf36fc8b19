// What `throughline/models` offers: ways to a Model. No server in it.
export { aiSdkModel, fromStreamText } from "./ai-sdk.ts";
export { modelFrom } from "./custom.ts";
export { demoModel } from "./demo.ts";
export { openAiModel } from "./openai.ts";
