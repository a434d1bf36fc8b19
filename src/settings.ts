// Owns what every setting may be and its default: environment text in, typed settings or problems out. Must read nothing itself.
import { Secret } from "./secret.ts";
import {
  isLoopback,
  oneOf,
  parseAuth,
  parseClients,
  parseEndpoints,
  parseHost,
  parseHostPort,
  parseKeysUrl,
  parseLimits,
  parseMasterKeys,
  parseModel,
  parseNetworks,
  parseNodeName,
  parseOrigins,
  parsePath,
  parseToken,
  parseUsers,
  show,
  url,
  whole,
  Wrong,
  type ModelProvider,
  type Parse,
  type SignIn,
} from "./setting-values.ts";

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const defaultPrompt =
  "You are a helpful assistant. Answer clearly and to the point, in the language of the person you talk to.";
const day = 86_400_000;
/** Characters of a token that lets an operator in from elsewhere. */
const shortestToken = 16;
/** The longest time that a timer of Node can wait, in milliseconds. */
const longestTimer = 2_147_483_647;

/** Secret settings: their values are never repeated, not even in the message that refuses them. */
const secrets: ReadonlySet<string> = new Set([
  "MASTER_KEY",
  "OPENAI_API_KEY",
  "ANTHROPIC_API_KEY",
  "GOOGLE_GENERATIVE_AI_API_KEY",
  "ADMIN_TOKEN",
  "METRICS_TOKEN",
  "DATABASE_URL",
  "REDIS_URL",
  "OPENAI_BASE_URL",
  "AUTH_JWKS_URL",
]);

/** Every setting, parsed. Names ending in `Ms` are milliseconds. undefined: not set, and there is no fixed default. */
export type Settings = ReturnType<typeof parseAll>;
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads all settings. Every problem names the setting, what is wrong with its value, and what is allowed. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): SettingsResult {
  const problems: string[] = [];
  const settings = parseAll(env, problems);
  if (problems.length === 0) problems.push(...contradictions(settings), ...exposures(settings, env));
  return problems.length === 0 ? { ok: true, settings } : { ok: false, problems };
}

function parseAll(env: Readonly<Record<string, string | undefined>>, problems: string[]) {
  /** The parsed value of a setting, or `fallback` where it is unset, empty or wrong (which is then a problem). */
  const take = <T, F>(name: string, fallback: F, parse: Parse<T>): T | F => {
    const text = env[name]?.trim() ?? "";
    if (text === "") return fallback;
    const value = parse(text);
    if (!(value instanceof Wrong)) return value;
    const shown = secrets.has(name) ? "The value" : show(text);
    problems.push(`${name}: ${shown} ${value.reason}`);
    return fallback;
  };
  /** The same of a value that must not be printed. */
  const hide = <T>(name: string, parse: Parse<T>): Secret<T> | undefined =>
    take(name, undefined, (text) => {
      const value = parse(text);
      return value instanceof Wrong ? value : new Secret(value);
    });
  const guest: readonly SignIn[] = [{ kind: "guest" }];
  const none: readonly string[] = [];
  const noKeys: readonly Secret<Uint8Array>[] = [];
  return {
    host: take("HOST", "127.0.0.1", parseHost),
    port: take("PORT", 8787, whole(0, 65_535, "a port")),
    dataDir: take("DATA_DIR", "./data", parsePath),
    databaseUrl: hide("DATABASE_URL", url(["postgres:", "postgresql:"])),
    redisUrl: hide("REDIS_URL", url(["redis:", "rediss:"])),
    model: take("MODEL", undefined, parseModel),
    modelFallback: take("MODEL_FALLBACK", undefined, parseModel),
    openaiBaseUrl: hide("OPENAI_BASE_URL", url(["https:", "http:"])),
    openaiApiKey: hide("OPENAI_API_KEY", parseToken),
    anthropicApiKey: hide("ANTHROPIC_API_KEY", parseToken),
    googleApiKey: hide("GOOGLE_GENERATIVE_AI_API_KEY", parseToken),
    modelPrefill: take("MODEL_PREFILL", "auto", oneOf(["auto", "on", "off"])),
    modelFirstTokenMs: take("MODEL_FIRST_TOKEN_MS", 60_000, whole(1, longestTimer, "milliseconds")),
    modelBetweenTokensMs: take("MODEL_BETWEEN_TOKENS_MS", 30_000, whole(1, longestTimer, "milliseconds")),
    // Set to nothing means no prompt: the one setting where empty is not unset.
    systemPrompt: env["SYSTEM_PROMPT"] ?? defaultPrompt,
    /** Who names a conversation after its first exchange: the model, the words of the question, or nobody. */
    titles: take("TITLES", "model", oneOf(["model", "words", "off"])),
    auth: take("AUTH", guest, parseAuth),
    authJwksUrl: take("AUTH_JWKS_URL", undefined, parseKeysUrl),
    /** Clients of the app's own sign-in: an `oidc:` entry whose audience is one of them is offered on the page. */
    oidcClients: take("OIDC_CLIENT_ID", none, parseClients),
    /** Where an issuer's token endpoint is, if not where the issuer is: the page may talk to it. */
    oidcTokenOrigins: take("OIDC_TOKEN_ORIGINS", none, parseEndpoints),
    /** The web key of the Firebase project, which is public: with it the app asks for email and password. */
    firebaseApiKey: take("FIREBASE_API_KEY", undefined, parseToken),
    firebaseEmulator: take("FIREBASE_AUTH_EMULATOR_HOST", undefined, parseHostPort),
    users: take("USERS", { kind: "embedded" } as const, parseUsers),
    usersUnknown: take("USERS_UNKNOWN", "create", oneOf(["create", "refuse"])),
    firestoreEmulator: take("FIRESTORE_EMULATOR_HOST", undefined, parseHostPort),
    sessionIdleMs: take("SESSION_IDLE_MS", 7 * day, whole(1, 3_650 * day, "milliseconds")),
    sessionMaxMs: take("SESSION_MAX_MS", 30 * day, whole(1, 3_650 * day, "milliseconds")),
    durability: take("DURABILITY", "process", oneOf(["process", "disk"])),
    onCrash: take("ON_CRASH", "continue", oneOf(["continue", "restart", "interrupt"])),
    allowedOrigins: take("ALLOWED_ORIGINS", "own" as const, parseOrigins),
    trustedProxies: take("TRUSTED_PROXIES", [], parseNetworks),
    /** None: a file of DATA_DIR has it. */
    masterKeys: take("MASTER_KEY", noKeys, parseMasterKeys),
    adminToken: hide("ADMIN_TOKEN", parseToken),
    metricsToken: hide("METRICS_TOKEN", parseToken),
    limits: take("LIMITS", { kind: "default" } as const, parseLimits),
    logLevel: take("LOG_LEVEL", "info", oneOf(logLevels)),
    heartbeatMs: take("HEARTBEAT_MS", 25_000, whole(1000, 600_000, "milliseconds")),
    drainMs: take("DRAIN_MS", 20_000, whole(0, 3_600_000, "milliseconds")),
    /** undefined: whoever starts the server makes one. */
    nodeName: take("NODE_NAME", undefined, parseNodeName),
  };
}

/** What each setting alone may be, but not these together. */
function contradictions(settings: Settings): string[] {
  const { databaseUrl, redisUrl, host, auth, allowedOrigins } = settings;
  const out: string[] = [];
  const local = isLoopback(host);
  if (databaseUrl !== undefined && redisUrl !== undefined) {
    out.push("DATABASE_URL, REDIS_URL: the cluster is not in this version. Set neither, and data is kept in DATA_DIR.");
  } else if (databaseUrl !== undefined || redisUrl !== undefined) {
    const [is, other] = redisUrl === undefined ? ["DATABASE_URL", "REDIS_URL"] : ["REDIS_URL", "DATABASE_URL"];
    out.push(`${is}: is set without ${other}. Set both for a cluster, or neither.`);
  }
  if (settings.limits.kind === "off" && !local) {
    out.push(`LIMITS: "off" is allowed only where HOST is a loopback address; HOST is ${show(host)}.`);
  }
  if (allowedOrigins === "any" && auth.some((way) => way.kind !== "guest")) {
    out.push('ALLOWED_ORIGINS: "*" is allowed only where AUTH is "guest" alone. List the origins instead.');
  }
  if (settings.firebaseEmulator !== undefined && !local) {
    const why = "it makes the server take unsigned tokens";
    out.push(`FIREBASE_AUTH_EMULATOR_HOST: allowed only where HOST is a loopback address: ${why}. Unset it.`);
  }
  out.push(...pageSignInProblems(settings));
  for (const name of ["MODEL", "MODEL_FALLBACK"] as const) {
    const choice = name === "MODEL" ? settings.model : settings.modelFallback;
    const missing = choice === undefined ? undefined : missingFor(choice.provider, settings);
    if (missing !== undefined) out.push(`${name}: "${choice?.provider}" needs ${missing}.`);
  }
  return out;
}

/** What the app's own sign-in needs of `AUTH`. */
function pageSignInProblems({ auth, oidcClients, oidcTokenOrigins, firebaseApiKey }: Settings): string[] {
  const out: string[] = [];
  const audiences = new Set(auth.map((way) => (way.kind === "oidc" ? way.audience : undefined)));
  for (const client of oidcClients.filter((name) => !audiences.has(name))) {
    const why = "An ID token is made for the client that asked for it, so the two must be the same";
    out.push(`OIDC_CLIENT_ID: ${show(client)} is the AUDIENCE of no oidc: entry in AUTH. ${why}.`);
  }
  if (oidcTokenOrigins.length > 0 && oidcClients.length === 0) {
    out.push("OIDC_TOKEN_ORIGINS: is set without OIDC_CLIENT_ID. Set both, or neither.");
  }
  const projects = auth.filter((way) => way.kind === "firebase").length;
  if (firebaseApiKey !== undefined && projects !== 1) {
    const has = projects === 0 ? "none" : "several, and a key belongs to one";
    out.push(
      `FIREBASE_API_KEY: needs one firebase:PROJECT_ID entry in AUTH; there ${projects === 0 ? "is" : "are"} ${has}.`,
    );
  }
  return out;
}

/** What may be set on one's own machine, but not where others come in (OP06). */
function exposures(settings: Settings, env: Readonly<Record<string, string | undefined>>): string[] {
  const { host, trustedProxies } = settings;
  const out: string[] = [];
  if (trustedProxies.some(({ prefix }) => prefix === 0)) {
    out.push(
      "TRUSTED_PROXIES: trusts every address, so that anybody could name another as their own. List the proxies.",
    );
  }
  const production = env["NODE_ENV"] === "production";
  if (isLoopback(host) && !production) return out;
  const where = production ? "where NODE_ENV is production" : "where HOST is no loopback address";
  for (const name of ["FIREBASE_AUTH_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"] as const) {
    const said = name === "FIREBASE_AUTH_EMULATOR_HOST" && !isLoopback(host);
    if (env[name]?.trim() && !said) out.push(`${name}: an emulator is not allowed ${where}. Unset it.`);
  }
  for (const name of ["ADMIN_TOKEN", "METRICS_TOKEN"] as const) {
    const text = env[name]?.trim();
    if (text === undefined || text.length >= shortestToken) continue;
    const what = text === "" ? "is empty" : `is shorter than ${shortestToken} characters`;
    out.push(`${name}: ${what}, which is not allowed ${where}. Unset it, or use openssl rand -base64 24.`);
  }
  return out;
}

function missingFor(provider: ModelProvider, settings: Settings): string | undefined {
  switch (provider) {
    case "openai":
      return (settings.openaiApiKey ?? settings.openaiBaseUrl) ? undefined : "OPENAI_API_KEY (or OPENAI_BASE_URL)";
    case "openai-compatible":
      return settings.openaiBaseUrl === undefined ? "OPENAI_BASE_URL" : undefined;
    case "anthropic":
      return settings.anthropicApiKey === undefined ? "ANTHROPIC_API_KEY" : undefined;
    case "google":
      return settings.googleApiKey === undefined ? "GOOGLE_GENERATIVE_AI_API_KEY" : undefined;
    case "demo":
    case "ollama":
      return undefined;
    default:
      return provider satisfies never;
  }
}
