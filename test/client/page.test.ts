// @vitest-environment happy-dom
// Proves what the SDK takes from a page: its events, its storage, its frames. Sockets and time are the test's.
import { offline } from "../../src/client/offline.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { createEnvironment } from "../../src/client/environment.ts";
import { createClient, type KeptItem, type KeptStore } from "../../src/client/index.ts";
import { fakeSockets, handClock, settle } from "./sockets.ts";

async function world() {
  localStorage.clear();
  const clock = handClock();
  const net = fakeSockets();
  const client = createClient({ url: "/chat", guest: true, clock, random: () => 0.5, webSocket: net.Socket });
  onTestFinished(() => client.close());
  client.connect();
  await settle();
  const state = (): string => client.connection.getSnapshot().kind;
  const pings = (): number => net.last().sent.filter((frame) => frame["type"] === "ping").length;
  return { client, clock, net, state, pings };
}

const network = (on: boolean): void => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(on);
  window.dispatchEvent(new Event(on ? "online" : "offline"));
};

test("CO19 the page or the network comes back: an open socket is probed, a waiting one is not waited for", async () => {
  const { clock, net, state, pings } = await world();
  net.last().welcome();
  for (const [i, wake] of [
    () => window.dispatchEvent(new Event("pageshow")),
    () => document.dispatchEvent(new Event("visibilitychange")),
    () => network(true),
  ].entries()) {
    wake();
    expect(pings()).toBe(i + 1);
    net.last().say({ type: "ack", id: "any" });
  }
  net.last().end(1006);
  expect(state()).toBe("reconnecting");
  document.dispatchEvent(new Event("visibilitychange"));
  await settle();
  expect([state(), net.sockets.length]).toEqual(["connecting", 2]);
  clock.pass(0);
});

test("CO19 a network that goes is told, a socket that still answers is kept; attempts go on", async () => {
  const { clock, net, state } = await world();
  onTestFinished(() => void vi.restoreAllMocks());
  net.last().welcome();
  network(false);
  // On this very machine there is a server without any network.
  net.last().say({ type: "ack", id: "any" });
  clock.pass(3000);
  expect(state()).toBe("online");
  network(false);
  clock.pass(2500);
  expect(state()).toBe("offline");
  clock.pass(1000);
  await settle();
  expect(net.sockets).toHaveLength(2);
  net.last().end(1006);
  expect(state()).toBe("offline");
  network(true);
  await settle();
  expect(state()).toBe("connecting");
});

test("CO19 after close the page's events reach nobody", async () => {
  const { client, net } = await world();
  client.close();
  network(true);
  await settle();
  expect(net.sockets).toHaveLength(1);
});

test("OU11 without storage, or with a full one, everything works until the page goes", async () => {
  const { net, client, clock } = await world();
  const set = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  onTestFinished(() => set.mockRestore());
  net.last().welcome();
  client.draft("c").set("text");
  expect(client.draft("c").getSnapshot()).toBe("text");
  net.last().end(1006);
  clock.pass(20_000);
  await settle();
  net.last().opened();
  expect(net.last().sent[0]).toMatchObject({ session: "session-token" });
});

test("CO20 the first of several new tabs becomes the guest, the others wait for it and come in with its session", async () => {
  localStorage.clear();
  const queue: (() => Promise<unknown>)[] = [];
  let busy = false;
  const next = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    await queue.shift()?.();
    busy = false;
    if (queue.length > 0) void next();
  };
  const locks = {
    request: (name: string, ...rest: unknown[]) => {
      const fn = rest.at(-1) as (lock: object) => Promise<unknown>;
      if (!name.endsWith("/session")) return new Promise(() => undefined);
      return new Promise((resolve) => {
        queue.push(() => fn({}).then(resolve));
        void next();
      });
    },
  };
  vi.stubGlobal("navigator", { onLine: true, locks });
  onTestFinished(() => void vi.unstubAllGlobals());
  const net = fakeSockets();
  const clock = handClock();
  const tabs = [1, 2].map(() => createClient({ url: "/chat", guest: true, clock, webSocket: net.Socket }));
  onTestFinished(() => tabs.forEach((tab) => tab.close()));
  for (const tab of tabs) tab.connect();
  await settle();
  expect(net.sockets).toHaveLength(1);
  net.last().welcome();
  await settle();
  expect(net.sockets).toHaveLength(2);
  net.last().opened();
  expect(net.last().sent[0]).toMatchObject({ session: "session-token", guest: true });
});

test("B30 a frame is asked for only where one will be drawn", async () => {
  const { clock } = createEnvironment("x", {});
  const asked = vi.spyOn(globalThis, "requestAnimationFrame");
  const visible = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  onTestFinished(() => void [asked.mockRestore(), visible.mockRestore()]);
  await new Promise<void>((resolve) => clock.frame(resolve));
  expect(asked).not.toHaveBeenCalled();
  visible.mockReturnValue("visible");
  await new Promise<void>((resolve) => clock.frame(resolve));
  expect(asked).toHaveBeenCalledOnce();
});

test("RE16 a page that is hidden, and may never be seen again, keeps at once what it shows", async () => {
  localStorage.clear();
  const items: KeptItem[] = [];
  const kept: KeptStore = {
    all: async () => items,
    put: async (item) => void items.push(item),
    remove: async () => undefined,
    clear: async () => undefined,
  };
  const net = fakeSockets();
  const clock = handClock();
  const client = createClient({ url: "/chat", guest: true, clock, webSocket: net.Socket, storage: { kept }, offline });
  onTestFinished(() => client.close());
  client.conversation("c").subscribe(() => undefined);
  await vi.waitUntil(() => net.sockets.length > 0, { timeout: 10_000 });
  net.last().welcome();
  const state = { createdAt: "x", messages: [], more: false, turns: [] };
  net.last().say({ type: "snapshot", conversation: "c", seq: 3, epoch: "e", state });
  net.last().say({ type: "live", conversation: "c", seq: 3 });
  expect(items).toEqual([]);
  const visible = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  onTestFinished(() => visible.mockRestore());
  document.dispatchEvent(new Event("visibilitychange"));
  expect(items).toMatchObject([{ id: "c", person: "user" }]);
  expect(JSON.parse(items[0]?.text ?? "")).toMatchObject({ type: "snapshot", seq: 3, epoch: "e", state });
});
