// Owns the putting together of a server with its adapters: what `main.ts` runs and what other programs embed. Reads no environment.
import { mkdirSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { readAssets } from "./adapters/assets/folder.ts";
import { localBus } from "./adapters/embedded/bus.ts";
import { diskFiles } from "./adapters/files/disk.ts";
import { MasterVault } from "./adapters/embedded/master-vault.ts";
import type { Rotated } from "./adapters/embedded/rotation.ts";
import { openStore } from "./adapters/embedded/store.ts";
import { textOfPdf } from "./adapters/pdf/text.ts";
import { prometheusMeter } from "./adapters/metrics/prometheus.ts";
import { reject, type Limits } from "./protocol/index.ts";
import { blockRoutes } from "./server/admin-blocks.ts";
import { keyRoutes } from "./server/admin-keys.ts";
import { peopleRoutes } from "./server/admin-people.ts";
import { createAdminDoor, createGuard, operatorRoute } from "./server/admin.ts";
import { parseRange } from "./server/addresses.ts";
import { createAttachmentReader } from "./server/attachments.ts";
import { createAssets, type Assets, type PageSignIn } from "./server/assets.ts";
import { systemClock } from "./server/clock.ts";
import { createDocuments } from "./server/documents.ts";
import { createEngine, defaultEngineSettings, type EngineSettings } from "./server/engine.ts";
import { createFigures } from "./server/figures.ts";
import { createDataRoutes } from "./server/data-routes.ts";
import { createErasure } from "./server/erasure.ts";
import { createExporter } from "./server/export.ts";
import { createFileRoutes } from "./server/file-routes.ts";
import { createHttpFace } from "./server/http.ts";
import { unlimited, type Policy } from "./server/policy.ts";
import type { Identity, Journal, Model, Tracer, Users } from "./server/ports.ts";
import { createShelf } from "./server/shelf.ts";
import { createImporter } from "./server/import.ts";
import { createUploadQuota } from "./server/upload-quota.ts";

export { reject as rejection } from "./protocol/index.ts";
export { ModelFailure } from "./server/ports.ts";
export type { PageSignIn } from "./server/assets.ts";
export type {
  Claims,
  Identity,
  Journal,
  Model,
  ModelMessage,
  ModelPiece,
  ModelRequest,
  Span,
  Tracer,
  User,
  Users,
} from "./server/ports.ts";

/** What a host is made of. Everything but the folder and the model has a default. Times in milliseconds. */
export type HostOptions = {
  /** The folder of the SQLite file and of the files that people send; made if it is missing. */
  readonly dataDir: string;
  readonly model: Model;
  readonly fallback?: Model | undefined;
  /** Verifies ID tokens; without one only guests and sessions come in. */
  readonly identity?: Identity | undefined;
  /** Where the people are; the embedded store by default, which a repository of one's own may be given for the guests. */
  readonly users?: Users | ((embedded: Users) => Users) | undefined;
  /** 32 bytes each: the first seals, the others only open. None: a file in `dataDir` has them, and is made where it is missing. */
  readonly masterKeys?: readonly Uint8Array[];
  readonly durability?: "process" | "disk";
  readonly allowedOrigins?: readonly string[] | "*";
  /** The server listens on a loopback address only. */
  readonly loopback?: boolean;
  /** The folder of the built browser files; undefined: `/` is left to the program that embeds this. */
  readonly app?: string | undefined;
  /** Ways to sign in that the app offers by itself. Public. */
  readonly signIn?: readonly PageSignIn[];
  /** Networks of proxies whose X-Forwarded-For counts, such as 10.0.0.0/8. */
  readonly trustedProxies?: readonly string[];
  /** The operator's secret. Without one, only programs on this machine come in at `/api/v1/admin/`. */
  readonly adminToken?: string | undefined;
  /** The secret of who reads `/metrics`. Without one, only programs on this machine do. */
  readonly metricsToken?: string | undefined;
  /** The numbers of fair use (docs/limits.md); `off` bounds nothing but replies. */
  readonly policy?: Policy | "off";
  /** Sockets at most; default and upper bound: 30,000. For a process that may open few files. */
  readonly sockets?: number | undefined;
  readonly journal?: Journal;
  /** Is told how long the steps of a message take. None: nothing is traced, and nothing costs. */
  readonly tracer?: Tracer | undefined;
  readonly node?: string;
} & Partial<Omit<EngineSettings, "node" | "limits" | "policy" | "trustedProxies">> & {
    readonly limits?: Partial<Limits>;
  };

/** A running Throughline inside a Node HTTP server. */
export type Host = {
  /** Takes the upgrades of the socket's path on a server; all others are left to their owners. */
  attach(server: Server): void;
  /** Answers a request for a path of ours. false: it is not ours (call `next()`). */
  request(request: IncomingMessage, response: ServerResponse): boolean;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Its own routes, pages apart: `GET /healthz`, `GET /api/v1/files/{id}`. */
  readonly routes: readonly string[];
  readonly ready: () => boolean;
  /** Makes a new master key and puts everything under it, while all goes on. `conflict` where the key is not ours to make. */
  rotateKey(): Promise<Rotated>;
  /** Ends a person's sessions and erases everything of theirs, keys first. To be called again where the process died meanwhile. */
  eraseUser(user: string): Promise<void>;
  /** Leaves within `graceMs` and closes the store. Running replies are finished, or go on at the next start. */
  close(graceMs: number): Promise<void>;
};

const silent: Journal = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Opens the store and starts. Throws StoreRefusal where the store may not be used. */
export async function createHost(options: HostOptions): Promise<Host> {
  const clock = systemClock;
  const node = options.node ?? `node-${clock.secret(6)}`;
  const journal = options.journal ?? silent;
  let closing: Promise<void> | undefined;
  mkdirSync(options.dataDir, { recursive: true });
  const broken = (failure: unknown): void => {
    // Closed is not broken: what was still under way when the host left has been answered.
    if (closing !== undefined) return;
    // After an I/O error nothing may be acked any more (ST09): the process ends, a restart reads what is true.
    journal.error("store_broken", { error: failure instanceof Error ? failure.message : "unknown" });
    process.exitCode = 1;
    setImmediate(() => process.exit(1));
  };
  const store = openStore({
    file: join(options.dataDir, "throughline.db"),
    vault: new MasterVault({ keys: options.masterKeys ?? [], file: join(options.dataDir, "master.key") }),
    durability: options.durability ?? "process",
    clock,
    onBroken: broken,
  });
  const settings: EngineSettings = {
    ...defaultEngineSettings,
    broken,
    ...options,
    limits: { ...defaultEngineSettings.limits, ...options.limits },
    policy: options.policy === "off" ? unlimited : (options.policy ?? defaultEngineSettings.policy),
    trustedProxies: (options.trustedProxies ?? []).flatMap((text) => parseRange(text) ?? []),
    node,
  };
  const bus = localBus();
  const counted = prometheusMeter();
  const models = [options.model, ...(options.fallback === undefined ? [] : [options.fallback])];
  const names = models.map(({ name }) => name);
  const { meter, routes: figureRoutes } = createFigures({ clock, next: counted.meter, models: names });
  const users = typeof options.users === "function" ? options.users(store.users) : (options.users ?? store.users);
  const quota = createUploadQuota({ policy: settings.policy, clock, spending: store.spending });
  const shelf = createShelf({
    rows: store.fileRows,
    files: diskFiles(join(options.dataDir, "files"), options.durability ?? "process"),
    log: store.log,
    quota,
    clock,
    journal,
    limits: settings.limits,
    seesPictures: models.some(({ capabilities }) => capabilities.images),
  });
  const engine = createEngine(
    {
      log: store.log,
      sessions: store.sessions,
      users,
      blocks: store.blocks,
      spending: store.spending,
      files: { read: createAttachmentReader(shelf, textOfPdf), dropped: () => shelf.sweepSoon() },
      bus,
      clock,
      journal,
      meter,
      tracer: options.tracer,
      identity: options.identity ?? { verify: () => Promise.resolve(reject("unauthorized")) },
      model: options.model,
      fallback: options.fallback,
    },
    settings,
  );
  const erasure = createErasure({
    ...store,
    bus,
    clock,
    journal,
    forget(user) {
      engine.allowance.drop(user);
      quota.drop(user);
    },
    swept: () => shelf.sweepSoon(),
  });
  const rotateKey = async (): Promise<Rotated> => {
    const rotated = await store.rotation.rotate();
    if ("rewrapped" in rotated) journal.info("master_key_rotated", rotated);
    return rotated;
  };
  const { allowedOrigins = [], signIn = [], loopback = false } = options;
  const door = { entrance: engine.entrance, clock, journal, allowedOrigins, loopback };
  const facts = { model: options.model.name, version: settings.version, guests: settings.guests, signIn };
  const assetsOf = (folder: string): Assets =>
    createAssets({ files: readAssets(folder), facts, frameAncestors: allowedOrigins });
  const operatorRoutes = {
    ...blockRoutes(engine.blocks),
    ...keyRoutes(rotateKey),
    ...figureRoutes,
    ...peopleRoutes({
      ...engine,
      sessions: store.sessions,
      bus,
      clock,
      idleMs: settings.sessionIdleMs,
      maxMs: settings.sessionMaxMs,
    }),
  };
  const face = createHttpFace({
    engine,
    limits: settings.limits,
    sockets: options.sockets,
    journal,
    trustedProxies: settings.trustedProxies,
    // Acts of the operator: method and path behind /api/v1/admin/ to what is done.
    admin: createAdminDoor({
      routes: operatorRoutes,
      token: options.adminToken,
      entrance: engine.entrance,
      journal,
    }),
    metrics: { ...counted, may: createGuard({ token: options.metricsToken, entrance: engine.entrance }) },
    meter,
    // With a secret the page is for all to see: it is typed into it. Without, only this machine knows of it.
    adminPage:
      options.adminToken === undefined ? createGuard({ token: undefined, entrance: engine.entrance }) : () => true,
    allowedOrigins,
    loopback,
    documents: createDocuments(settings.version, options.app !== undefined),
    files: createFileRoutes({ ...door, shelf, meter, limits: settings.limits, accepting: engine.ready }),
    data: createDataRoutes({
      ...door,
      erasure,
      policy: settings.policy,
      quota,
      limits: settings.limits,
      accepting: engine.ready,
      importer: createImporter({
        log: store.log,
        committer: engine.committer,
        clock,
        limits: settings.limits,
        replyLength: settings.policy.reply.characters,
      }),
      exporter: createExporter({ ...store, users, shelf, clock }),
    }),
    assets: options.app === undefined ? undefined : assetsOf(options.app),
  });
  await erasure.resume();
  await shelf.start();
  await engine.start();
  // What a rotation left to do, or a MASTER_KEY with a new key in front. The store is whole without it.
  store.rotation.resume().then(
    (rewrapped) => rewrapped > 0 && journal.info("master_key_rotated", { rewrapped }),
    (error: unknown) =>
      journal.warn("master_key_rotation_failed", { error: error instanceof Error ? error.message : "unknown" }),
  );
  return {
    attach(server) {
      server.on("upgrade", (request, socket, head) => void face.upgrade(request, socket, head));
    },
    request: face.request,
    upgrade: face.upgrade,
    routes: [...face.routes, ...Object.keys(operatorRoutes).map(operatorRoute)],
    ready: engine.ready,
    rotateKey,
    eraseUser: (user) => erasure.erase(user),
    close(graceMs) {
      closing ??= engine
        .drain(graceMs)
        .then(() => erasure.stop())
        .then(() => shelf.stop())
        .then(() => store.close());
      return closing;
    },
  };
}
