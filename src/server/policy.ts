// Owns the numbers of fair use: the one table, what an operator's file may change in it, and the table without limits. Pure.

/** The table; docs/limits.md says what each number bounds, and a test holds the two together. */
export const defaultPolicy = {
  /** One address: an IPv4 address, or the /64 of an IPv6 one. */
  address: {
    connectionsPerMinute: 600,
    waitingSockets: 20,
    failedSignInsPerMinute: 10,
    newGuestsPerHour: 600,
    guestMessagesPerMinute: 600,
    guestTokensPerDay: 20_000_000,
    guestUploadsAtOnce: 40,
    guestUploadBytesPerDay: 2_147_483_648,
  },
  /** All addresses together. */
  all: {
    guestTokensPerDay: 200_000_000,
  },
  /** One guest, over all sockets. */
  guest: {
    sockets: 60,
    commandsPerTenSeconds: 600,
    messagesPerMinute: 60,
    runningTurns: 10,
    tokensPerDay: 1_000_000,
    searchesPerMinute: 60,
    uploadsAtOnce: 20,
    uploadsPerHour: 30,
    uploadBytesPerDay: 104_857_600,
    exportsPerHour: 10,
  },
  /** One person who is signed in, over all sockets. */
  user: {
    sockets: 100,
    commandsPerTenSeconds: 1200,
    messagesPerMinute: 120,
    runningTurns: 20,
    tokensPerDay: 5_000_000,
    searchesPerMinute: 120,
    uploadsAtOnce: 40,
    uploadsPerHour: 200,
    uploadBytesPerDay: 1_073_741_824,
    exportsPerHour: 30,
  },
  /** One reply. */
  reply: {
    characters: 1_000_000,
    seconds: 1800,
    reservedTokens: 4096,
  },
  /** What misbehaviour costs, and what it leads to. */
  abuse: {
    refusalsPerMinute: 30,
    malformedFrame: 1,
    refusedConnection: 1,
    failedSignIn: 3,
    rateLimitClose: 10,
    blockGuestsAt: 100,
    blockEveryoneAt: 400,
    blockMinutes: 15,
    halfLifeMinutes: 10,
  },
};

export type Policy = { readonly [G in Group]: Readonly<(typeof defaultPolicy)[G]> };
type Group = keyof typeof defaultPolicy;

const unbounded = <T extends Record<string, number>>(row: T): T => {
  const open: Record<string, number> = { ...row };
  for (const name of Object.keys(row)) open[name] = Number.POSITIVE_INFINITY;
  return { ...row, ...open };
};

/** `LIMITS=off`: nothing is counted out; a reply stays bounded all the same. */
export const unlimited: Policy = {
  address: unbounded(defaultPolicy.address),
  all: unbounded(defaultPolicy.all),
  guest: unbounded(defaultPolicy.guest),
  user: unbounded(defaultPolicy.user),
  reply: defaultPolicy.reply,
  // Nothing adds to a score, and none is high enough: with infinite weights the first wrong frame would block for ever.
  abuse: {
    ...defaultPolicy.abuse,
    refusalsPerMinute: Number.POSITIVE_INFINITY,
    malformedFrame: 0,
    refusedConnection: 0,
    failedSignIn: 0,
    rateLimitClose: 0,
  },
};

/** Numbers that divide or must let something through. */
const atLeastOne = new Set(["seconds", "characters", "reservedTokens", "blockMinutes", "halfLifeMinutes"]);
const most = 1_000_000_000_000;

const isGroup = (name: string): name is Group => Object.hasOwn(defaultPolicy, name);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const quoted = (names: readonly string[]): string => names.join(", ");

/** Reads an operator's file: `{"guest": {"messagesPerMinute": 5}}`. Names that the table does not have are refused. */
export function readPolicy(text: string): { ok: true; policy: Policy } | { ok: false; problems: readonly string[] } {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return { ok: false, problems: ["is no JSON"] };
  }
  if (!isObject(file))
    return { ok: false, problems: ['is no JSON object such as {"guest": {"messagesPerMinute": 5}}'] };
  const problems: string[] = [];
  const rows: Record<Group, Record<string, number>> = structuredClone(defaultPolicy);
  for (const [group, numbers] of Object.entries(file)) {
    if (!isGroup(group)) problems.push(`"${group}" is not known; there are ${quoted(Object.keys(rows))}`);
    else if (isObject(numbers)) problems.push(...takeNumbers(group, numbers, rows[group]));
    else problems.push(`"${group}" is no object of numbers`);
  }
  if (problems.length > 0) return { ok: false, problems };
  const { address, all, guest, user, reply, abuse } = defaultPolicy;
  const policy: Policy = {
    address: { ...address, ...rows.address },
    all: { ...all, ...rows.all },
    guest: { ...guest, ...rows.guest },
    user: { ...user, ...rows.user },
    reply: { ...reply, ...rows.reply },
    abuse: { ...abuse, ...rows.abuse },
  };
  return { ok: true, policy };
}

function takeNumbers(group: Group, numbers: Record<string, unknown>, row: Record<string, number>): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(numbers)) {
    const least = atLeastOne.has(name) ? 1 : 0;
    if (!Object.hasOwn(row, name)) {
      problems.push(`"${group}.${name}" is not known; there are ${quoted(Object.keys(row))}`);
    } else if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      problems.push(`"${group}.${name}" is no whole number from ${least} to ${most}`);
    } else row[name] = value;
  }
  return problems;
}
