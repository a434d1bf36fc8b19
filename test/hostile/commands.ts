// What the wire's page says of every field of every command: an example that is right, and what is wrong. Imports no schema.

export type Kind = {
  /** Values, as JSON text, that a field of this kind must refuse. */
  readonly refuses: readonly string[];
  readonly optional?: boolean;
};

/** JSON texts of every type, and of sizes that nobody needs. */
const values = {
  null: "null",
  true: "true",
  one: "1",
  minus: "-1",
  half: "1.5",
  infinite: "1e400",
  empty: '""',
  text: '"x"',
  digits: '"12"',
  long: JSON.stringify("x".repeat(300)),
  huge: JSON.stringify("x".repeat(120_000)),
  nul: '"a\\u0000b"',
  lone: '"\\ud800"',
  list: "[]",
  filled: "[1]",
  strings: '["x"]',
  object: "{}",
  other: '{"a":1}',
  nested: '[{"a":[{"b":[null]}]}]',
  lengthy: '{"length":1,"0":"x"}',
} as const;

type Name = keyof typeof values;
const allBut = (...accepted: readonly Name[]): string[] =>
  Object.entries(values)
    .filter(([name]) => !accepted.some((one) => one === name))
    .map(([, text]) => text);

const uuid: Kind = {
  refuses: [
    ...allBut(),
    '"01890a5d-ac96-774b-bcce-b302099a805"',
    '"01890a5d-ac96-774b-bcce-b302099a80577"',
    '" 01890a5d-ac96-774b-bcce-b302099a8057"',
    '"01890a5d-ac96-774b-bcce-b302099a8057\\n"',
    '"01890a5dac96774bbcceb302099a8057"',
    '"g1890a5d-ac96-774b-bcce-b302099a8057"',
    '"../../../etc/passwd"',
    '"\' OR 1=1 --"',
  ],
};
const commandId: Kind = { refuses: allBut("text", "digits") };
const cursor: Kind = { refuses: allBut("one", "minus"), optional: true };
const epoch: Kind = { refuses: allBut("empty", "text", "digits"), optional: true };
const text200: Kind = { refuses: allBut("empty", "text", "digits"), optional: true };
const title: Kind = { refuses: [...allBut("text", "digits"), '"   "', '"\\n\\t"'], optional: true };
const limit: Kind = { refuses: [...allBut("one"), "0", "101", "-0", "1e-400", "9007199254740993"], optional: true };
const flag: Kind = { refuses: [...allBut("true"), '"true"', "0"], optional: true };
const secret: Kind = { refuses: allBut("text", "digits", "long") };
const reaction: Kind = { refuses: [...allBut(), '"👍👍"', '"👍 "', '"ok"', '":+1:"', '"<b>"'] };
const part = {
  text: '{"type":"text","text":"hi"}',
  file: '{"type":"file","file":"f"}',
};
const parts: Kind = {
  refuses: [
    ...allBut(),
    "[[]]",
    "[{}]",
    '[{"type":"text"}]',
    '[{"type":"text","text":""}]',
    '[{"type":"text","text":null}]',
    '[{"type":"text","text":1}]',
    '[{"type":"text","text":["x"]}]',
    '[{"type":"text","text":{"toString":"x"}}]',
    '[{"type":"text","text":"x","more":1}]',
    '[{"type":"text","file":"f"}]',
    '[{"type":"file"}]',
    '[{"type":"file","file":""}]',
    '[{"type":"file","file":1}]',
    '[{"type":"tool","text":"x"}]',
    '[{"type":["text"],"text":"x"}]',
    '[{"type":null,"text":"x"}]',
    `[${part.text},null]`,
    `[${part.text},[${part.text}]]`,
    `{"0":${part.text},"length":1}`,
    `[${Array.from({ length: 33 }, () => part.text).join(",")}]`,
    `[${part.text},{"type":"text","text":"a\\u0000"}]`,
    `[${part.text},{"type":"text","text":"\\udc00"}]`,
  ],
};
const open: Kind = {
  refuses: [
    ...allBut("list"),
    "[{}]",
    '[{"conversation":1}]',
    '[{"conversation":"x"}]',
    '[{"conversation":"01890a5d-ac96-774b-bcce-b302099a8057","seq":"1"}]',
    '[{"conversation":"01890a5d-ac96-774b-bcce-b302099a8057","seq":1.5}]',
    '[{"conversation":"01890a5d-ac96-774b-bcce-b302099a8057","epoch":1}]',
    `[${Array.from({ length: 257 }, () => '{"conversation":"01890a5d-ac96-774b-bcce-b302099a8057"}').join(",")}]`,
  ],
  optional: true,
};
const client: Kind = {
  refuses: [...allBut("object", "other", "lengthy"), '{"name":1}', '{"name":["x"]}', '{"version":{}}'],
  optional: true,
};
const optional = (kind: Kind): Kind => ({ ...kind, optional: true });
const nullable = (kind: Kind): Kind => ({ refuses: kind.refuses.filter((text) => text !== "null"), optional: true });
const required = (kind: Kind): Kind => ({ refuses: kind.refuses });

/** Every field of every command but `type`. */
export const fields: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  auth: { id: commandId, token: optional(secret), session: optional(secret), guest: flag, open, client },
  "auth.refresh": { id: commandId, token: secret },
  "auth.logout": { id: commandId, everywhere: flag },
  "session.list": { id: commandId },
  "session.revoke": { id: commandId, session: commandId },
  ping: { id: commandId },
  "conversation.list": { id: commandId, cursor: text200, limit, query: text200, archived: flag },
  "conversation.create": { id: commandId, conversation: uuid, title },
  "conversation.open": { id: commandId, conversation: uuid, seq: cursor, epoch },
  "conversation.close": { id: commandId, conversation: uuid },
  "conversation.update": { id: commandId, conversation: uuid, title, archived: flag },
  "conversation.delete": { id: commandId, conversation: uuid },
  "conversation.history": { id: commandId, conversation: uuid, before: optional(uuid), limit },
  "message.send": { id: commandId, conversation: uuid, message: uuid, parts, parent: nullable(uuid) },
  "message.edit": { id: commandId, conversation: uuid, message: uuid, replacement: uuid, parts },
  "message.react": { id: commandId, conversation: uuid, message: uuid, reaction, on: required(flag) },
  "turn.stop": { id: commandId, conversation: uuid, turn: uuid },
  "turn.retry": { id: commandId, conversation: uuid, message: uuid },
  "turn.continue": { id: commandId, conversation: uuid, message: uuid },
};

/** What exists and a hostile command may aim at. */
export type Aim = {
  readonly conversation: string;
  readonly message: string;
  readonly reply: string;
  readonly turn: string;
};

/** A right command of a type, aimed at what is there, as JSON texts by field. */
export function example(type: string, aim: Aim): Record<string, string> {
  const known: Record<string, string> = {
    id: JSON.stringify(crypto.randomUUID()),
    conversation: JSON.stringify(type === "conversation.create" ? crypto.randomUUID() : aim.conversation),
    message: JSON.stringify(
      type === "message.send" ? crypto.randomUUID() : type.startsWith("turn.") ? aim.reply : aim.message,
    ),
    turn: JSON.stringify(aim.turn),
    replacement: JSON.stringify(crypto.randomUUID()),
    parts: `[${part.text}]`,
    reaction: '"👍"',
    on: "true",
    token: '"x"',
    session: '"x"',
  };
  const needed = Object.entries(fields[type] ?? {}).filter(([, kind]) => kind.optional !== true);
  return {
    type: JSON.stringify(type),
    ...Object.fromEntries(needed.map(([name]) => [name, known[name] ?? "null"])),
  };
}

/** The JSON text of fields that are JSON texts already. */
export const objectText = (fields: Readonly<Record<string, string>>): string =>
  `{${Object.entries(fields)
    .map(([name, text]) => `${JSON.stringify(name)}:${text}`)
    .join(",")}}`;
