// Owns the process: settings from the environment, adapters, listening, signals. The only file that reads the environment.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { oidcIdentity, firebaseIssuer, type TrustedIssuer } from "./adapters/identity/oidc.ts";
import { MissingPackage, openFirestoreUsers, type FirestoreUsers } from "./adapters/users/firestore.ts";
import { pinoJournal } from "./adapters/journal/pino.ts";
import { findModel, type ModelSettings } from "./adapters/models/find.ts";
import { StoreRefusal } from "./adapters/embedded/refusal.ts";
import { runCommand } from "./cli/command.ts";
import { MissingExporter, startExporting, type Exporting } from "./adapters/traces/otel.ts";
import { createHost, type PageSignIn } from "./host.ts";
import { openFiles, roomFor } from "./open-files.ts";
import { filesPath } from "./protocol/index.ts";
import { systemClock } from "./server/clock.ts";
import { importPath } from "./server/data-paths.ts";
import { defaultEngineSettings } from "./server/engine.ts";
import { problem } from "./server/http.ts";
import { defaultPolicy, readPolicy, type Policy } from "./server/policy.ts";
import type { Journal } from "./server/ports.ts";
import { isLoopback } from "./setting-values.ts";
import { readSettings, type Settings } from "./settings.ts";

function refuse(lines: readonly string[]): never {
  console.error(`Throughline does not start:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  process.exit(1);
}

/** The numbers of fair use that `LIMITS` names. */
function policyOf(limits: Settings["limits"]): Policy | "off" {
  if (limits.kind !== "file") return limits.kind === "off" ? "off" : defaultPolicy;
  let text: string;
  try {
    text = readFileSync(limits.path, "utf8");
  } catch {
    return refuse([`LIMITS: ${limits.path} cannot be read.`]);
  }
  const read = readPolicy(text);
  return read.ok ? read.policy : refuse(read.problems.map((problem) => `LIMITS: ${limits.path}: ${problem}.`));
}

const issuersOf = (settings: Settings): TrustedIssuer[] =>
  settings.auth.flatMap((way): TrustedIssuer[] => {
    const jwksUrl = settings.authJwksUrl;
    if (way.kind === "guest") return [];
    const emulator = settings.firebaseEmulator !== undefined;
    return way.kind === "firebase"
      ? [firebaseIssuer(way.project, jwksUrl === undefined ? { emulator } : { jwksUrl, emulator })]
      : [{ kind: "oidc", issuer: way.issuer, audience: way.audience, jwksUrl }];
  });

/** The people of Firestore where `USERS` says so; undefined: the embedded ones. */
async function openUsers(settings: Settings, journal: Journal): Promise<FirestoreUsers | undefined> {
  if (settings.users.kind !== "firestore") return undefined;
  const { project } = settings.users;
  const { firestoreEmulator: emulator, firebaseEmulator: authEmulator, usersUnknown: unknown } = settings;
  const [first] = issuersOf(settings);
  // Firebase Auth is asked where it can be: not beside an emulator of Firestore alone, which has no accounts.
  const accounts = first?.kind === "firebase" && (emulator === undefined || authEmulator !== undefined);
  const issuer = first?.issuer ?? "";
  const where = { project, accounts, emulator, authEmulator };
  return openFirestoreUsers({ ...where, issuer, unknown, clock: systemClock, journal }).catch((error: unknown) =>
    error instanceof MissingPackage
      ? refuse(["USERS: firestore needs the package firebase-admin. Install it: npm install firebase-admin@14"])
      : Promise.reject(error),
  );
}

/** The ways to sign in that the app offers by itself, in the order of `AUTH`. */
const pageSignIn = ({
  auth,
  oidcClients,
  oidcTokenOrigins,
  firebaseApiKey,
  firebaseEmulator,
}: Settings): PageSignIn[] =>
  auth.flatMap((way): PageSignIn[] => {
    if (way.kind === "oidc" && oidcClients.includes(way.audience)) {
      return [{ kind: "oidc", issuer: way.issuer, client: way.audience, origins: oidcTokenOrigins }];
    }
    if (way.kind !== "firebase" || firebaseApiKey === undefined) return [];
    const emulator = firebaseEmulator === undefined ? {} : { emulator: `http://${firebaseEmulator}` };
    return [{ kind: "firebase", key: firebaseApiKey, ...emulator }];
  });

const nameOf = (choice: Settings["model"]): string | undefined =>
  choice === undefined ? undefined : choice.provider === "demo" ? "demo" : `${choice.provider}:${choice.model}`;

const modelSettings = (settings: Settings): ModelSettings => ({
  model: nameOf(settings.model),
  fallback: nameOf(settings.modelFallback),
  openaiBaseUrl: settings.openaiBaseUrl?.reveal(),
  openaiApiKey: settings.openaiApiKey?.reveal(),
  anthropicApiKey: settings.anthropicApiKey?.reveal(),
  googleApiKey: settings.googleApiKey?.reveal(),
  prefill: settings.modelPrefill,
});

/** Notes what comes from outside and is dropped: the 1st, 2nd, 4th, 8th ... time, so that it cannot fill the log. */
function countDropped(journal: Journal, event: string): (what: string) => void {
  const counts = new Map<string, number>();
  return (what) => {
    const count = (counts.get(what) ?? 0) + 1;
    counts.set(what, count);
    if (Number.isInteger(Math.log2(count))) journal.warn(event, { what, count });
  };
}

/** The built browser files: beside this file when it is built too, in `dist` when it runs from its source. */
const appFolder = join(import.meta.dirname, import.meta.filename.endsWith(".ts") ? "../dist/public" : "public");

function settingsOfProcess(): Settings {
  const read = readSettings(process.env);
  return read.ok ? read.settings : refuse(read.problems);
}

/** How long (ms) a request may take to come: a file over a slow line, and anything else. */
const uploadMs = 3_600_000;
const bodyMs = 30_000;
/** Connections that may wait to be accepted: after a cut thousands come at once, and one turned away tries again a second later. */
const backlog = 4_096;

function boundBody(request: IncomingMessage): void {
  if ([filesPath, importPath].some((path) => request.url?.startsWith(path) === true)) return;
  const late = setTimeout(() => request.destroy(), bodyMs).unref();
  request.once("close", () => clearTimeout(late)).once("end", () => clearTimeout(late));
}

/** Traces, where OpenTelemetry's standard variables name a collector; the packages are loaded only then. */
async function openTraces({ env }: typeof process): Promise<Exporting | undefined> {
  const where = [env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], env["OTEL_EXPORTER_OTLP_ENDPOINT"]];
  const off = env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true" || env["OTEL_TRACES_EXPORTER"] === "none";
  if (off || where.every((text) => (text ?? "").trim() === "")) return undefined;
  return startExporting(defaultEngineSettings.version).catch((error: unknown) => {
    if (!(error instanceof MissingExporter)) throw error;
    const packages =
      "@opentelemetry/sdk-trace@3 @opentelemetry/resources@3 @opentelemetry/exporter-trace-otlp-http@0.301";
    return refuse([`OTEL_EXPORTER_OTLP_ENDPOINT: traces need packages. Install them: npm install ${packages}`]);
  });
}

/** How long (ms) the last spans may take to get out. */
const lastSpansMs = 2000;

async function main(): Promise<void> {
  const settings = settingsOfProcess();
  const policy = policyOf(settings.limits);
  const node = settings.nodeName ?? `node-${systemClock.secret(6)}`;
  const journal = pinoJournal(settings.logLevel, node);
  const found = await findModel(modelSettings(settings), {
    clock: systemClock,
    onDropped: countDropped(journal, "model_event_dropped"),
  });
  if ("refusal" in found) return refuse([found.refusal]);
  const loopback = isLoopback(settings.host);
  const people = await openUsers(settings, journal);
  const traces = await openTraces(process);
  const room = roomFor(openFiles());

  const host = await createHost({
    dataDir: settings.dataDir,
    model: found.model,
    fallback: found.fallback,
    identity: oidcIdentity({ issuers: issuersOf(settings), clock: systemClock, journal }),
    masterKeys: settings.masterKeys.map((key) => key.reveal()),
    users: people?.users,
    durability: settings.durability,
    allowedOrigins:
      settings.allowedOrigins === "any" ? "*" : settings.allowedOrigins === "own" ? [] : settings.allowedOrigins,
    loopback,
    policy,
    trustedProxies: settings.trustedProxies.map(({ address, prefix }) => `${address}/${prefix}`),
    adminToken: settings.adminToken?.reveal(),
    metricsToken: settings.metricsToken?.reveal(),
    app: appFolder,
    sockets: room.sockets,
    signIn: pageSignIn(settings),
    journal,
    tracer: traces?.tracer,
    node,
    guests: settings.auth.some((way) => way.kind === "guest"),
    heartbeatMs: settings.heartbeatMs,
    sessionIdleMs: settings.sessionIdleMs,
    sessionMaxMs: settings.sessionMaxMs,
    systemPrompt: settings.systemPrompt,
    titles: settings.titles,
    call: {
      ...defaultEngineSettings.call,
      firstTokenMs: settings.modelFirstTokenMs,
      betweenTokensMs: settings.modelBetweenTokensMs,
      ...(policy === "off" ? {} : { wholeMs: policy.reply.seconds * 1000, outputLength: policy.reply.characters }),
    },
    onCrash: settings.onCrash,
  }).catch((error: unknown) => (error instanceof StoreRefusal ? refuse([error.message]) : Promise.reject(error)));

  const server = createServer({ headersTimeout: 10_000, requestTimeout: uploadMs, connectionsCheckingInterval: 500 });
  server.maxConnections = room.connections;
  const dropped = countDropped(journal, "connection_dropped");
  server.on("drop", () => dropped("no file is free for it"));
  server.on("request", (request, response) => {
    boundBody(request);
    if (!host.request(request, response)) problem(response, 404, "not_found");
  });
  server.on("upgrade", (request, socket, head) => {
    if (host.upgrade(request, socket, head)) return;
    socket.on("error", () => socket.destroy());
    socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  server.on("error", (error) =>
    refuse([`HOST, PORT: cannot listen on ${settings.host}:${settings.port}: ${error.message}`]),
  );
  server.listen({ port: settings.port, host: settings.host, backlog }, () => {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : settings.port;
    const name = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
    console.log(`Throughline is ready on http://${name}:${port}`);
    console.log(`  model  ${found.model.name}`);
    console.log(`  data   ${join(settings.dataDir, "throughline.db")}`);
    if (settings.masterKeys.length === 0) {
      console.log(
        `  key    ${join(settings.dataDir, "master.key")}: without it the data cannot be read, keep a copy elsewhere`,
      );
    }
    console.log(
      "  another model: MODEL=openai:gpt-5-mini OPENAI_API_KEY=..., or OPENAI_BASE_URL=http://... for any OpenAI-compatible server",
    );
  });

  let leaving = false;
  const leave = (signal: string): void => {
    if (leaving) return;
    leaving = true;
    journal.info("leaving", { signal });
    // The listener stays until the end, so that /readyz can say that this process leaves.
    host
      .close(settings.drainMs)
      .then(() => {
        const late = new Promise<void>((resolve) => void setTimeout(resolve, lastSpansMs));
        // A collector that is away loses spans and keeps nobody waiting.
        return traces === undefined ? undefined : Promise.race([late, traces.stop().catch(() => undefined)]);
      })
      .then(() => process.exit(0))
      .catch((error: unknown) => {
        journal.error("leave_failed", { error: error instanceof Error ? error.name : "unknown" });
        process.exit(1);
      });
  };
  process.on("SIGTERM", () => leave("SIGTERM"));
  process.on("SIGINT", () => leave("SIGINT"));
}

/** `throughline block 192.0.2.7` and its like speak to the server that runs; `throughline load` to any, and needs no settings. */
async function command(args: readonly string[]): Promise<number> {
  if (args[0] === "load") return (await import("./load/command.ts")).loadCommand(args.slice(1), console.log);
  const { host, port, adminToken } = settingsOfProcess();
  return runCommand(args, { host, port, token: adminToken?.reveal() }, { print: console.log, complain: console.error });
}

const args = process.argv.slice(2);
if (args.length === 0) await main();
else process.exitCode = await command(args);
