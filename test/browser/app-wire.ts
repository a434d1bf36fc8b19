// Owns the wire of a page as a test bends it: commands answered in the server's place, frames changed on their way, sockets
// closed with a code. What is not bent goes to the real server and back. It must not know the app.
import type { BrowserContext } from "playwright-core";

type Json = Record<string, unknown> & { readonly type?: string; readonly id?: string };

export type Bends = {
  /** What a command is answered with instead of asking the server; undefined: the server is asked. */
  command?: (command: Json) => Json | undefined;
  /** A frame of the server as the page is to see it. */
  frame?: (frame: Json) => Json;
  /** The code that the next `auth` is closed with; undefined: it goes through. */
  close?: { code: number; reason?: string } | undefined;
};

/** The open sockets of all pages of a context that pass through here. */
export type Bent = { readonly closeAll: (code: number, reason?: string) => void };

const read = (text: string | Buffer): Json => JSON.parse(text.toString()) as Json;

/** Bends every socket that pages of this context open from now on; `bends` may be changed meanwhile. */
export async function bend(context: BrowserContext, bends: Bends): Promise<Bent> {
  const open = new Set<{ close(how: { code: number; reason: string }): Promise<void> }>();
  await context.routeWebSocket(/\/api\/v1\/async\/chatbot$/, (socket) => {
    const server = socket.connectToServer();
    open.add(socket);
    socket.onMessage((text) => {
      const command = read(text);
      if (command.type === "auth" && bends.close !== undefined) {
        void socket.close({ reason: "", ...bends.close });
        return;
      }
      const answer = bends.command?.(command);
      if (answer === undefined) server.send(text);
      else socket.send(JSON.stringify({ id: command.id, ...answer }));
    });
    server.onMessage((text) => {
      const frame = read(text);
      socket.send(JSON.stringify(bends.frame?.(frame) ?? frame));
    });
    socket.onClose(() => void open.delete(socket));
  });
  return {
    closeAll(code, reason = "") {
      for (const socket of open) void socket.close({ code, reason });
    },
  };
}
