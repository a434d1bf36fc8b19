// The shared module: everything that server, client and documents know of the wire.
export * from "./codec.ts";
export * from "./commands.ts";
export * from "./events.ts";
export * from "./files.ts";
export * from "./frames.ts";
export * from "./limits.ts";
export * from "./rejections.ts";
