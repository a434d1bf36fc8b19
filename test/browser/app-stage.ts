// Owns the stage of the app's browser tests: a real server, a model server, a wire that can be cut, and people in a real
// Chromium. Every page fails its test on an error, a broken policy or a request to elsewhere. It must not test anything itself.
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { startModelServer, type ModelServer, type ModelServerOptions } from "../support/model-server.ts";
import { ChaosProxy } from "../support/proxy.ts";
import { WireClient } from "../support/wire-client.ts";
import type { WireView } from "../support/wire-view.ts";
import { Visitor } from "./app-visitor.ts";

/** What people hold in their hands. */
const devices = {
  desktop: { viewport: { width: 1280, height: 800 } },
  tablet: { viewport: { width: 768, height: 1024 }, hasTouch: true },
  phone: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
} as const satisfies Record<string, BrowserContextOptions>;

type Device = keyof typeof devices;

export type Stage = {
  readonly server: ServerProcess;
  readonly model: ModelServer;
  readonly proxy: ChaosProxy;
  /** While false, nobody reaches the server: connections are refused. Those that are open are left alone. */
  reachable: boolean;
  /** Cuts all connections, and lets none be made until `reachable` is true again. */
  cut(): void;
  /** A browser profile of its own, closed with the test. */
  context(device?: Device, more?: BrowserContextOptions): Promise<BrowserContext>;
  /** A page in a context (a new one by default), on the app, connected. */
  visit(options?: {
    context?: BrowserContext;
    device?: Device;
    path?: string;
    options?: BrowserContextOptions;
  }): Promise<Visitor>;
  /** The conversation that a page shows, as the server has it. */
  truth(page: Page): Promise<WireView>;
  /** A client of the wire in the session of a page. */
  wire(page: Page): Promise<WireClient>;
};

/** A server, a model and a Chromium for all tests of a file. */
export function useStage(env: Record<string, string> = {}, modelOptions: ModelServerOptions = {}): Stage {
  let server: ServerProcess | undefined;
  let model: ModelServer | undefined;
  let proxy: ChaosProxy | undefined;
  let browser: Browser | undefined;
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error("the stage is not set");
    return part;
  };

  beforeAll(async () => {
    const launched = chromium.launch({
      executablePath: process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    model = await startModelServer({ behaviour: { prose: true }, ...modelOptions });
    server = new ServerProcess({
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: "none",
      MODEL: "openai:test-model",
      LOG_LEVEL: "warn",
      LIMITS: "off",
      ...env,
    });
    await server.start();
    proxy = await ChaosProxy.start(() => (stage.reachable ? Number(new URL(there(server).url).port) : 1));
    browser = await launched;
  });
  afterAll(async () => {
    await browser?.close();
    proxy?.close();
    await model?.close();
    await server?.dispose();
  });

  const stage: Stage = {
    get server() {
      return there(server);
    },
    get model() {
      return there(model);
    },
    get proxy() {
      return there(proxy);
    },
    reachable: true,
    cut() {
      stage.reachable = false;
      stage.proxy.cut();
      onTestFinished(() => void (stage.reachable = true));
    },
    async context(device = "desktop", more = {}) {
      const options = { ...devices[device], baseURL: stage.proxy.url, locale: "en-GB", ...more };
      const context = await there(browser).newContext(options);
      context.setDefaultTimeout(30_000);
      onTestFinished(() => context.close());
      return context;
    },
    async visit({ context, device, path = "/", options } = {}) {
      const where = context ?? (await stage.context(device, options));
      const visitor = new Visitor(await where.newPage(), stage.proxy.url);
      onTestFinished(() => expect(visitor.problems(), "what went wrong in the page").toEqual([]));
      await visitor.page.goto(path);
      await visitor.online();
      return visitor;
    },
    async wire(page) {
      const kept = await page.evaluate(
        () => Object.entries(localStorage).find(([key]) => key.endsWith("/session"))?.[1],
      );
      const session = (JSON.parse(kept ?? "null") as { session: string } | null)?.session;
      const client = await WireClient.connect(stage.server.url, { auth: { session } });
      onTestFinished(() => {
        client.cut();
        expect(client.anomalies).toEqual([]);
      });
      return client;
    },
    async truth(page) {
      const client = await stage.wire(page);
      const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
      return client.read(id);
    },
  };
  return stage;
}
