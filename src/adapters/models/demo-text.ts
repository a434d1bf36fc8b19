// Owns what the demo says: a pure function of the prompt. Must never pretend to be a language model.

/** A reply, whole, and how it is said. `at`: where, in characters, `ending` happens. */
export type DemoReply = {
  readonly reasoning: string;
  readonly text: string;
  /** Pieces of about four characters per second. */
  readonly rate: number;
  readonly ending: "finish" | "fail" | "stall";
  readonly at: number;
};

const longest = 200_000;
const fastest = 5_000;

const help = `Hello! This is the **demo** that comes with Throughline. There is no language model behind it: every answer is made from a few fixed texts, so that you can try the chat without a key.

Words it understands, alone or together:

- \`short\`, \`long\`, \`500 characters\`, \`300 words\`: how much it says
- \`markdown\`, \`code\`, \`table\`, \`maths\`, \`reasoning\`: what it shows
- \`slow\`, \`fast\`, \`100 tokens per second\`: how quickly
- \`fail\`, \`stall\`, \`empty\`: what can go wrong

Try: *a long answer with code, slow*. Then reload the page, close it, pull the plug or restart the server while it talks: the answer goes on where it was.

**To talk to a real model**, set \`MODEL\` and start again, for example

\`\`\`sh
OPENAI_API_KEY=... MODEL=openai:gpt-5-mini npm start
OPENAI_BASE_URL=http://127.0.0.1:8000/v1 npm start   # any OpenAI-compatible server
\`\`\`

A local Ollama is found by itself.`;

const short = "This is the demo, not a language model: a short answer, as you asked.";

const markdown = `## Markdown

A paragraph with **bold**, *italic*, ~~struck~~ and \`code\`, and [a link](https://example.com).

1. First
2. Second
   - nested, with an emoji 🙂
   - and another one

> A quotation, over
> two lines.

---`;

const code = `Some code, in two languages:

\`\`\`ts
/** Folds a log into what a reader sees. */
export function fold<State, Event>(events: readonly Event[], step: (state: State, event: Event) => State, empty: State): State {
  return events.reduce(step, empty);
}
\`\`\`

\`\`\`python
def fibonacci(n: int) -> list[int]:
    a, b, out = 0, 1, []
    for _ in range(n):
        out.append(a)
        a, b = b, a + b
    return out
\`\`\``;

const table = `| Part | What it does | Survives |
| --- | --- | :---: |
| log | keeps every piece of a reply | a crash |
| bus | says that there is more | not needed |
| socket | carries it to you | a reload |`;

const maths = `Inline: $e^{i\\pi} + 1 = 0$. On its own:

$$\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}$$`;

const thoughts =
  "The person asked to see reasoning. I am a demo and have none, so this is a fixed text in the place where a model's thoughts would be. Now I answer.";

const sentences = [
  "Every piece of this answer is written down before it is shown.",
  "If the connection drops, the reader comes back with the last number it has and gets the rest.",
  "A closed tab stops nothing; the answer is there when you return.",
  "Two windows on the same conversation always show the same text.",
  "Umlauts (ä, ö, ü), other scripts (日本語, हिन्दी) and emoji (🚲, 🌍) come through whole.",
  "Nothing in this paragraph was made by a language model.",
];

/** Numbered paragraphs, so that a hole or a repetition would be seen. */
function prose(length: number): string {
  const out: string[] = [];
  for (let i = 1, size = 0; size < length; i++) {
    const first = sentences[i % sentences.length] ?? "";
    const second = sentences[(i * 5 + 2) % sentences.length] ?? "";
    const paragraph = `${i}. ${first} ${second}`;
    out.push(paragraph);
    size += paragraph.length + 2;
  }
  return out.join("\n\n");
}

function exactly(length: number): string {
  const text = prose(length + 2).slice(0, length);
  return (text.charCodeAt(length - 1) & 0xfc00) === 0xd800 ? `${text.slice(0, -1)}.` : text;
}

function words(count: number): string {
  return prose(count * 8 + 100)
    .split(" ")
    .slice(0, count)
    .join(" ");
}

const numberBefore = (prompt: string, unit: string): number | undefined => {
  const found = new RegExp(`(\\d{1,7})\\s*${unit}`, "i").exec(prompt)?.[1];
  return found === undefined ? undefined : Number(found);
};

/** What the demo answers to a prompt. The same prompt, the same reply. */
export function demoReply(prompt: string): DemoReply {
  const says = (pattern: RegExp): boolean => pattern.test(prompt);
  const asked = numberBefore(prompt, "(?:tokens?|pieces?)\\s*(?:per second|a second|\\/\\s*s)");
  const rate = asked ?? (says(/\bslow(?:ly)?\b/i) ? 5 : says(/\b(?:fast|quick(?:ly)?)\b/i) ? 400 : 40);

  const sections: string[] = [];
  const characters = numberBefore(prompt, "char(?:acter)?s?\\b");
  const count = numberBefore(prompt, "words?\\b");
  if (characters !== undefined) sections.push(exactly(Math.min(longest, Math.max(1, characters))));
  else if (count !== undefined) sections.push(words(Math.min(longest / 8, Math.max(1, count))));
  else {
    if (says(/\bmarkdown\b/i)) sections.push(markdown);
    if (says(/\bcode\b/i)) sections.push(code);
    if (says(/\btables?\b/i)) sections.push(table);
    if (says(/\bmath(?:s|ematics)?\b|\bformulas?\b/i)) sections.push(maths);
    if (says(/\blong(?:er)?\b/i)) sections.push(prose(6_000));
    else if (says(/\bshort(?:er)?\b/i)) sections.push(short);
  }
  const isTrouble = says(/\b(?:fail(?:ure)?|stall)\b/i);
  const isThinking = says(/\b(?:reason(?:ing)?|think(?:ing)?)\b/i);
  if (sections.length === 0) sections.push(isTrouble ? prose(600) : isThinking ? short : help);
  const text = says(/\bempty\b/i) ? "" : sections.join("\n\n");
  return {
    reasoning: isThinking ? thoughts : "",
    text,
    rate: Math.min(fastest, Math.max(1, rate)),
    ending: says(/\bfail(?:ure)?\b/i) ? "fail" : says(/\bstall\b/i) ? "stall" : "finish",
    at: Math.min(text.length, 160),
  };
}
