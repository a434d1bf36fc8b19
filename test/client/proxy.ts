// Owns a TCP proxy that cuts, stalls and refuses, between the SDK and a server. Must not understand what passes through it.
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export type Proxy = {
  readonly url: string;
  /** Destroys every connection. */
  cut(): void;
  /** While refused, new connections are destroyed at once. */
  refuse(on: boolean): void;
  /** While stalled, nothing passes either way, and nobody is told. */
  stall(on: boolean): void;
  /** Destroys a connection after so many bytes from the client; once. */
  cutAfter(bytes: number): void;
  readonly connections: () => number;
  readonly open: () => number;
};

export async function startProxy(port: number): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let refused = false;
  let stalled = false;
  let connections = 0;
  let allowance: number | undefined;

  const server = createServer((near) => {
    connections++;
    if (refused) return void near.destroy();
    const far = connect(port, "127.0.0.1");
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) {
      socket.on("error", end);
      socket.on("close", end);
      if (stalled) socket.pause();
    }
    near.on("data", (chunk: Buffer) => {
      if (allowance === undefined) return void far.write(chunk);
      const part = chunk.subarray(0, allowance);
      allowance -= part.length;
      far.write(part);
      if (allowance > 0) return undefined;
      allowance = undefined;
      // What was written has to arrive before the end does.
      far.end();
      near.destroy();
      return undefined;
    });
    far.on("data", (chunk: Buffer) => void near.write(chunk));
    return undefined;
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    for (const [near, far] of pairs) {
      near.destroy();
      far.destroy();
    }
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut,
    refuse: (on) => void (refused = on),
    stall(on) {
      stalled = on;
      for (const socket of [...pairs].flat()) {
        if (on) socket.pause();
        else socket.resume();
      }
    },
    cutAfter: (bytes) => void (allowance = bytes),
    connections: () => connections,
    open: () => pairs.size,
  };
}
