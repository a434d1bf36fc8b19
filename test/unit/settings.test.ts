// Owns the proof that every setting has its default, takes what is allowed, and refuses the rest by name without leaking secrets.
import { format, inspect } from "node:util";
import { expect, test } from "vitest";
import { Secret } from "../../src/secret.ts";
import { readSettings, type Settings } from "../../src/settings.ts";

const key = Buffer.alloc(32, 7).toString("base64");
const older = Buffer.alloc(32, 8).toString("base64");
const day = 86_400_000;

function read(env: Record<string, string | undefined>): Settings {
  const result = readSettings(env);
  if (!result.ok) throw new Error(result.problems.join("\n"));
  return result.settings;
}
function problems(env: Record<string, string | undefined>): readonly string[] {
  const result = readSettings(env);
  return result.ok ? [] : result.problems;
}

/** What a secret setting holds: it has to be asked for. */
const revealed = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(revealed) : value instanceof Secret ? value.reveal() : value;

const defaults: Omit<Settings, "systemPrompt"> = {
  host: "127.0.0.1",
  port: 8787,
  dataDir: "./data",
  databaseUrl: undefined,
  redisUrl: undefined,
  model: undefined,
  modelFallback: undefined,
  openaiBaseUrl: undefined,
  openaiApiKey: undefined,
  anthropicApiKey: undefined,
  googleApiKey: undefined,
  modelPrefill: "auto",
  modelFirstTokenMs: 60_000,
  modelBetweenTokensMs: 30_000,
  auth: [{ kind: "guest" }],
  authJwksUrl: undefined,
  oidcClients: [],
  oidcTokenOrigins: [],
  firebaseApiKey: undefined,
  firebaseEmulator: undefined,
  users: { kind: "embedded" },
  usersUnknown: "create",
  firestoreEmulator: undefined,
  sessionIdleMs: 7 * day,
  sessionMaxMs: 30 * day,
  durability: "process",
  titles: "model",
  onCrash: "continue",
  allowedOrigins: "own",
  trustedProxies: [],
  masterKeys: [],
  adminToken: undefined,
  metricsToken: undefined,
  limits: { kind: "default" },
  logLevel: "info",
  heartbeatMs: 25_000,
  drainMs: 20_000,
  nodeName: undefined,
};

type Row = {
  readonly field: keyof Settings;
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
  /** Other settings without which the good ones would contradict something. */
  readonly beside?: Record<string, string>;
};
const milliseconds = ["-1", "1.5", "1e3", "0x10", "60s", "NaN", "Infinity", "9999999999999999", "١"];
const tokens = { good: [["s3cr3t-Value_", "s3cr3t-Value_"]], bad: ["two words", "naïve", "tab\tbed"] } as const;

const table: Record<string, Row> = {
  HOST: {
    field: "host",
    good: [
      ["0.0.0.0", "0.0.0.0"],
      ["::1", "::1"],
      ["[::1]", "::1"],
      ["localhost", "localhost"],
      ["chat.example.org", "chat.example.org"],
    ],
    bad: ["127.0.0.1:80", "http://localhost", "999.1.1.1", "a b", "-x", "1.2.3", "*"],
  },
  PORT: {
    field: "port",
    good: [
      ["0", 0],
      ["65535", 65_535],
      [" 80 ", 80],
    ],
    bad: ["65536", "-1", "8787/tcp", "1e3", "0x50", "http"],
  },
  DATA_DIR: { field: "dataDir", good: [["/var/lib/throughline", "/var/lib/throughline"]], bad: ["a\0b"] },
  MODEL: {
    field: "model",
    good: [
      ["demo", { provider: "demo", model: "" }],
      ["openai:gpt-5-mini", { provider: "openai", model: "gpt-5-mini" }],
      ["ollama:llama3.2:1b", { provider: "ollama", model: "llama3.2:1b" }],
      ["openai-compatible:org/name", { provider: "openai-compatible", model: "org/name" }],
      ["anthropic:claude", { provider: "anthropic", model: "claude" }],
      ["google:gemini", { provider: "google", model: "gemini" }],
    ],
    bad: ["gpt-5", "nobody:x", "openai:", "openai: ", ":x", "OpenAI:x", "openai", "demo:x"],
    beside: {
      OPENAI_BASE_URL: "http://127.0.0.1:9/v1",
      ANTHROPIC_API_KEY: "a",
      GOOGLE_GENERATIVE_AI_API_KEY: "g",
    },
  },
  MODEL_FALLBACK: { field: "modelFallback", good: [["demo", { provider: "demo", model: "" }]], bad: ["none", "x:"] },
  OPENAI_BASE_URL: {
    field: "openaiBaseUrl",
    good: [["http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"]],
    bad: ["127.0.0.1:11434", "ftp://host/", "file:///etc/passwd", "//host"],
  },
  OPENAI_API_KEY: { field: "openaiApiKey", ...tokens },
  ANTHROPIC_API_KEY: { field: "anthropicApiKey", ...tokens },
  GOOGLE_GENERATIVE_AI_API_KEY: { field: "googleApiKey", ...tokens },
  MODEL_PREFILL: {
    field: "modelPrefill",
    good: [
      ["auto", "auto"],
      ["on", "on"],
      ["off", "off"],
    ],
    bad: ["yes", "true", "On"],
  },
  MODEL_FIRST_TOKEN_MS: {
    field: "modelFirstTokenMs",
    good: [["1500", 1_500]],
    bad: ["0", "2147483648", ...milliseconds],
  },
  MODEL_BETWEEN_TOKENS_MS: { field: "modelBetweenTokensMs", good: [["1", 1]], bad: ["0", ...milliseconds] },
  AUTH: {
    field: "auth",
    good: [
      ["guest", [{ kind: "guest" }]],
      ["guest, firebase:demo-project", [{ kind: "guest" }, { kind: "firebase", project: "demo-project" }]],
      [
        "oidc:https://id.example/realms/a/#my-app",
        [{ kind: "oidc", issuer: "https://id.example/realms/a/", audience: "my-app" }],
      ],
      [
        "oidc:http://127.0.0.1:9000#a,oidc:http://keycloak:8080/r#a",
        [
          { kind: "oidc", issuer: "http://127.0.0.1:9000", audience: "a" },
          { kind: "oidc", issuer: "http://keycloak:8080/r", audience: "a" },
        ],
      ],
    ],
    bad: [
      "none",
      "guest,",
      "guest,guest",
      "Guest",
      "firebase",
      "firebase:",
      "firebase:My Project",
      "oidc:https://id.example",
      "oidc:https://id.example#",
      "oidc:#app",
      "oidc:https://id.example#a#b",
      "oidc:https://id.example?x=1#a",
      "oidc:http://id.example#a",
      "oidc:http://8.8.8.8#a",
      "oidc:id.example#a",
      "guest;oidc:https://id.example#a",
    ],
  },
  AUTH_JWKS_URL: {
    field: "authJwksUrl",
    good: [
      ["https://keys.example/jwks", "https://keys.example/jwks"],
      ["http://192.168.1.7/jwks", "http://192.168.1.7/jwks"],
      ["http://[::1]:80/jwks", "http://[::1]:80/jwks"],
    ],
    bad: ["http://keys.example/jwks", "http://8.8.8.8/", "file:///keys", "keys.example", "https://u:p@keys.example/"],
  },
  OIDC_CLIENT_ID: {
    field: "oidcClients",
    good: [
      ["chat", ["chat"]],
      ["chat, 7-a.apps.example", ["chat", "7-a.apps.example"]],
    ],
    bad: ["two words", "chat,", "chat,chat", "naïve"],
    beside: { AUTH: "oidc:https://id.example#chat,oidc:https://id.example/b#7-a.apps.example" },
  },
  OIDC_TOKEN_ORIGINS: {
    field: "oidcTokenOrigins",
    good: [["https://login.example, http://127.0.0.1:9", ["https://login.example", "http://127.0.0.1:9"]]],
    bad: ["login.example", "https://login.example/", "http://login.example", "https://*.example", "*", "https://a b"],
    beside: { AUTH: "oidc:https://id.example#chat", OIDC_CLIENT_ID: "chat" },
  },
  FIREBASE_API_KEY: { field: "firebaseApiKey", ...tokens, beside: { AUTH: "firebase:demo" } },
  FIREBASE_AUTH_EMULATOR_HOST: {
    field: "firebaseEmulator",
    good: [["127.0.0.1:9099", "127.0.0.1:9099"]],
    bad: ["http://127.0.0.1:9099", "127.0.0.1", "localhost:", "localhost:99999"],
  },
  FIRESTORE_EMULATOR_HOST: {
    field: "firestoreEmulator",
    good: [
      ["localhost:8080", "localhost:8080"],
      ["[::1]:8080", "[::1]:8080"],
    ],
    bad: ["localhost", "http://localhost:8080"],
  },
  USERS: {
    field: "users",
    good: [
      ["embedded", { kind: "embedded" }],
      ["firestore:demo-project", { kind: "firestore", project: "demo-project" }],
    ],
    bad: ["postgres", "firestore", "firestore:", "firestore:a b"],
  },
  USERS_UNKNOWN: {
    field: "usersUnknown",
    good: [
      ["create", "create"],
      ["refuse", "refuse"],
    ],
    bad: ["allow", "Create"],
  },
  SESSION_IDLE_MS: { field: "sessionIdleMs", good: [["5000", 5_000]], bad: ["0", ...milliseconds] },
  SESSION_MAX_MS: { field: "sessionMaxMs", good: [["5000", 5_000]], bad: ["0", ...milliseconds] },
  DURABILITY: { field: "durability", good: [["disk", "disk"]], bad: ["full", "Disk"] },
  TITLES: {
    field: "titles",
    good: [
      ["words", "words"],
      ["off", "off"],
    ],
    bad: ["on", "Model"],
  },
  ON_CRASH: {
    field: "onCrash",
    good: [
      ["restart", "restart"],
      ["interrupt", "interrupt"],
    ],
    bad: ["resume", "CONTINUE"],
  },
  ALLOWED_ORIGINS: {
    field: "allowedOrigins",
    good: [
      ["*", "any"],
      ["https://a.example, http://localhost:5173", ["https://a.example", "http://localhost:5173"]],
      ["capacitor://localhost", ["capacitor://localhost"]],
    ],
    bad: [
      "a.example",
      "https://a.example/",
      "https://a.example/chat",
      "https://*.example",
      "https://A.example",
      "https://a.example:443",
      "https://a.example,*",
      "null",
      "https://a.example,",
    ],
  },
  TRUSTED_PROXIES: {
    field: "trustedProxies",
    good: [
      ["none", []],
      [
        "10.0.0.0/8, fd00::/8,192.0.2.7",
        [
          { address: "10.0.0.0", prefix: 8, family: "ipv4" },
          { address: "fd00::", prefix: 8, family: "ipv6" },
          { address: "192.0.2.7", prefix: 32, family: "ipv4" },
        ],
      ],
    ],
    bad: [
      "10.0.0.0/33",
      "::/129",
      "10.0.0/8",
      "proxy.internal",
      "10.0.0.0/-1",
      "10.0.0.0/8/8",
      "fe80::1%eth0",
      "10.0.0.0/8,",
    ],
  },
  MASTER_KEY: {
    field: "masterKeys",
    good: [
      [key, [new Uint8Array(32).fill(7)]],
      [`${older}, ${key}`, [new Uint8Array(32).fill(8), new Uint8Array(32).fill(7)]],
    ],
    bad: [
      "short",
      "A".repeat(44),
      key.slice(0, 43),
      `${key}${key}`,
      Buffer.alloc(31).toString("base64"),
      `${"A".repeat(42)}B=`,
      `${key},`,
      `${key},${key}`,
      `${key},short`,
    ],
  },
  ADMIN_TOKEN: { field: "adminToken", ...tokens },
  METRICS_TOKEN: { field: "metricsToken", ...tokens },
  LIMITS: {
    field: "limits",
    good: [
      ["off", { kind: "off" }],
      ["./limits.json", { kind: "file", path: "./limits.json" }],
      ["/etc/throughline/limits.json", { kind: "file", path: "/etc/throughline/limits.json" }],
    ],
    bad: ["none", "OFF", "0", "strict"],
  },
  LOG_LEVEL: {
    field: "logLevel",
    good: ["trace", "debug", "info", "warn", "error", "fatal", "silent"].map((level) => [level, level] as const),
    bad: ["verbose", "INFO", "30"],
  },
  HEARTBEAT_MS: {
    field: "heartbeatMs",
    good: [
      ["1000", 1000],
      ["600000", 600_000],
    ],
    bad: ["999", "600001", ...milliseconds],
  },
  DRAIN_MS: { field: "drainMs", good: [["0", 0]], bad: ["3600001", ...milliseconds] },
  NODE_NAME: { field: "nodeName", good: [["node-1.eu", "node-1.eu"]], bad: ["a b", "x".repeat(65), "né"] },
};

test("SS1 without any setting every default holds", () => {
  const { systemPrompt, ...rest } = read({});
  expect(rest).toEqual(defaults);
  expect(systemPrompt.length).toBeGreaterThan(20);
});

test("SS1 the table of this test names every setting but those with tests of their own", () => {
  const own = ["databaseUrl", "redisUrl", "systemPrompt"];
  expect([...Object.values(table).map((row) => row.field), ...own].sort()).toEqual(Object.keys(read({})).sort());
});

test.each(Object.entries(table))("SS2 %s takes what is allowed", (name, { field, good, beside }) => {
  for (const [text, value] of good) expect(revealed(read({ ...beside, [name]: text })[field])).toEqual(value);
});

test.each(Object.entries(table))("SS2 %s unset or empty is the default", (name, { field }) => {
  for (const text of [undefined, "", "  "])
    expect(read({ [name]: text })).toHaveProperty(field, { ...defaults, systemPrompt: "" }[field]);
});

test.each(Object.entries(table))(
  "SS3 %s refuses the rest, by name and with what is allowed",
  (name, { bad, beside }) => {
    for (const text of bad) {
      const found = problems({ ...beside, [name]: text });
      expect(found, text).toHaveLength(1);
      expect(found[0]).toMatch(new RegExp(`^${name}: .+ Allowed: .+\\.$`, "s"));
      expect(found[0]).toMatch(/^[^\n\0\t]+$/);
    }
  },
);

test("SS3 all problems are told at once", () => {
  const found = problems({ PORT: "x", LOG_LEVEL: "loud", AUTH: "nobody" });
  expect(found.map((problem) => problem.split(":")[0])).toEqual(["PORT", "AUTH", "LOG_LEVEL"]);
});

test("SS4 no message repeats a secret value", () => {
  const secret = "hunter2 hunter2";
  const names = ["MASTER_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "ADMIN_TOKEN"];
  for (const name of [...names, "METRICS_TOKEN", "DATABASE_URL", "REDIS_URL", "OPENAI_BASE_URL", "AUTH_JWKS_URL"]) {
    const [problem = ""] = problems({ [name]: secret });
    expect(problem).toMatch(new RegExp(`^${name}: The value `));
    expect(problem).not.toContain("hunter2");
  }
  const urls = { DATABASE_URL: "postgres://me:hunter2@db/x", REDIS_URL: "redis://:hunter2@r" };
  for (const env of [urls, { DATABASE_URL: urls.DATABASE_URL }, { REDIS_URL: urls.REDIS_URL }]) {
    expect(problems(env)).toHaveLength(1);
    expect(problems(env).join("")).not.toContain("hunter2");
  }
  expect(problems({ AUTH: "oidc:https://me:hunter2@id.example#a" }).join("")).not.toContain("hunter2");
});

test("SS4 a long or odd value is shown short and on one line", () => {
  const [problem = ""] = problems({ LOG_LEVEL: `a\n\u001b[31m${"x".repeat(10_000)}` });
  expect(problem.length).toBeLessThan(300);
  expect(problem).not.toContain("\n");
  expect(problem).not.toContain("\u001b");
});

test("SS7 G13 what prints settings prints no secret: as JSON, in a text, by console, in an error, spread or copied", () => {
  const secret = "sixteen-letters-";
  const token = { OPENAI_API_KEY: secret, ANTHROPIC_API_KEY: secret, GOOGLE_GENERATIVE_AI_API_KEY: secret };
  const urls = { OPENAI_BASE_URL: `https://u:${secret}@models.example/v1` };
  const settings = read({ ...token, ...urls, ADMIN_TOKEN: secret, METRICS_TOKEN: secret, MASTER_KEY: key });
  const bytes = settings.masterKeys[0]?.reveal() ?? new Uint8Array();
  const printed = [
    JSON.stringify(settings),
    JSON.stringify(Object.entries(settings.adminToken ?? {})),
    inspect(settings, { depth: 9, showHidden: true }),
    format("%s %o %O %j", settings.adminToken, settings, settings, settings),
    String(settings.adminToken) + String(settings.masterKeys[0]),
    new Error("no", { cause: settings.adminToken }).stack ?? "",
    Object.values(settings).map(String).join(),
  ];
  for (const text of printed) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(key);
    expect(text).not.toContain(String(bytes));
  }
  expect(printed[0]).toContain('"adminToken":"[secret]"');
  expect(settings.adminToken?.reveal()).toBe(secret);
  expect(() => structuredClone(settings.adminToken)).not.toThrow();
  expect(JSON.stringify(structuredClone(settings.adminToken))).not.toContain(secret);
});

test("SS5 the cluster's settings: one alone is refused, both are not in this version", () => {
  const databaseUrl = "postgres://db/x";
  const redisUrl = "rediss://r:6380";
  expect(problems({ DATABASE_URL: databaseUrl })).toEqual([
    expect.stringMatching(/^DATABASE_URL: is set without REDIS_URL/),
  ]);
  expect(problems({ REDIS_URL: redisUrl })).toEqual([expect.stringMatching(/^REDIS_URL: is set without DATABASE_URL/)]);
  expect(problems({ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl })).toEqual([
    expect.stringContaining("not in this version"),
  ]);
  expect(problems({ DATABASE_URL: "mysql://db/x" })).toEqual([expect.stringMatching(/^DATABASE_URL: .*postgres:\/\//)]);
  expect(problems({ REDIS_URL: "http://r" })).toEqual([expect.stringMatching(/^REDIS_URL: .*redis:\/\//)]);
});

const local = ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1", "[::1]"];
const remote = ["0.0.0.0", "::", "10.0.0.1", "chat.example.org", "localhost.example.org", "127.0.0.1.example.org"];

test("SS5 LIMITS=off and the Firebase emulator only where HOST is a loopback address", () => {
  for (const [name, value] of [
    ["LIMITS", "off"],
    ["FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099"],
  ] as const) {
    for (const HOST of local) expect(problems({ HOST, [name]: value })).toEqual([]);
    for (const HOST of remote) {
      expect(problems({ HOST, [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: .*loopback`))]);
    }
  }
});

test("SS6 OP06 emulators and tokens that are empty or short: not in production, nor where others come in; on one's own machine they may", () => {
  const rows = [
    ["FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099"],
    ["FIRESTORE_EMULATOR_HOST", "127.0.0.1:8080"],
    ["ADMIN_TOKEN", ""],
    ["ADMIN_TOKEN", "fifteen-letters"],
    ["METRICS_TOKEN", " "],
    ["METRICS_TOKEN", "short"],
  ] as const;
  for (const [name, value] of rows) {
    const one = [expect.stringMatching(new RegExp(`^${name}: `))];
    expect([name, problems({ [name]: value })]).toEqual([name, []]);
    expect([name, problems({ [name]: value, NODE_ENV: "development" })]).toEqual([name, []]);
    expect([name, problems({ [name]: value, NODE_ENV: "production" })]).toEqual([name, one]);
    for (const HOST of remote) expect([name, problems({ HOST, [name]: value })]).toEqual([name, one]);
  }
  const fine = {
    ADMIN_TOKEN: "sixteen-letters-",
    METRICS_TOKEN: "sixteen-letters-",
    HOST: "0.0.0.0",
    NODE_ENV: "production",
  };
  expect(problems(fine)).toEqual([]);
});

test("SS6 OP06 HS15 nobody trusts every address as a proxy", () => {
  for (const TRUSTED_PROXIES of ["0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0"]) {
    expect(problems({ TRUSTED_PROXIES })).toEqual([expect.stringMatching(/^TRUSTED_PROXIES: /)]);
  }
  expect(problems({ TRUSTED_PROXIES: "10.0.0.0/8,::1" })).toEqual([]);
});

test("SS5 ALLOWED_ORIGINS=* only where guests alone come in", () => {
  expect(problems({ ALLOWED_ORIGINS: "*", AUTH: "guest" })).toEqual([]);
  for (const AUTH of ["firebase:demo-project", "guest,oidc:https://id.example#a"]) {
    expect(problems({ ALLOWED_ORIGINS: "*", AUTH })).toEqual([expect.stringMatching(/^ALLOWED_ORIGINS: /)]);
    expect(problems({ ALLOWED_ORIGINS: "https://a.example", AUTH })).toEqual([]);
  }
});

test("SG12 SS5 the app's own sign-in is refused where it does not fit AUTH, with the reason", () => {
  const issuer = "oidc:https://id.example#chat";
  const fits: Record<string, string>[] = [
    { AUTH: `guest,${issuer}`, OIDC_CLIENT_ID: "chat", OIDC_TOKEN_ORIGINS: "https://login.example" },
    { AUTH: "firebase:demo", FIREBASE_API_KEY: "k" },
  ];
  for (const env of fits) expect(problems(env)).toEqual([]);
  for (const AUTH of ["guest", issuer, "firebase:demo"]) {
    expect(problems({ AUTH, OIDC_CLIENT_ID: "web" })).toEqual([
      expect.stringMatching(/^OIDC_CLIENT_ID: "web" is the AUDIENCE of no oidc: entry in AUTH\. .*must be the same\.$/),
    ]);
  }
  expect(problems({ AUTH: issuer, OIDC_CLIENT_ID: "chat,web" })).toEqual([expect.stringContaining('"web" is')]);
  expect(problems({ AUTH: issuer, OIDC_TOKEN_ORIGINS: "https://login.example" })).toEqual([
    expect.stringMatching(/^OIDC_TOKEN_ORIGINS: is set without OIDC_CLIENT_ID/),
  ]);
  for (const [AUTH, why] of [
    ["guest", "there is none"],
    [issuer, "there is none"],
    ["firebase:one,firebase:two", "there are several"],
  ] as const) {
    expect(problems({ AUTH, FIREBASE_API_KEY: "k" })).toEqual([
      expect.stringMatching(new RegExp(`^FIREBASE_API_KEY: needs one firebase:PROJECT_ID entry in AUTH; ${why}`)),
    ]);
  }
});

test("SS5 a model whose key or address is missing is refused at the start", () => {
  for (const name of ["MODEL", "MODEL_FALLBACK"]) {
    expect(problems({ [name]: "openai:x" })).toEqual([expect.stringMatching(new RegExp(`^${name}: .*OPENAI_API_KEY`))]);
    expect(problems({ [name]: "openai-compatible:x" })).toEqual([expect.stringContaining("OPENAI_BASE_URL")]);
    expect(problems({ [name]: "anthropic:x" })).toEqual([expect.stringContaining("ANTHROPIC_API_KEY")]);
    expect(problems({ [name]: "google:x" })).toEqual([expect.stringContaining("GOOGLE_GENERATIVE_AI_API_KEY")]);
    expect(problems({ [name]: "openai:x", OPENAI_API_KEY: "k" })).toEqual([]);
    expect(problems({ [name]: "openai:x", OPENAI_BASE_URL: "http://127.0.0.1:1/v1" })).toEqual([]);
  }
});

test("SS1 SYSTEM_PROMPT is kept as it is, and set to nothing it is none", () => {
  expect(read({ SYSTEM_PROMPT: " Be brief.\n" }).systemPrompt).toBe(" Be brief.\n");
  expect(read({ SYSTEM_PROMPT: "" }).systemPrompt).toBe("");
});

test("SS1 variables of others are no matter", () => {
  expect(problems({ PATH: "/bin", THROUGHLINE_X: "1", npm_config_port: "x" })).toEqual([]);
});
