// Owns the proof that the pages lead somewhere: their links and the commands they name. It asks nothing of the network.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import * as v from "valibot";

const root = join(import.meta.dirname, "../..");
const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ...guides.map((name) => `docs/${name}`)];
const read = (page: string): string => readFileSync(join(root, page), "utf8");

/** Where the links and pictures of a page lead, without those to other hosts. */
const linksOf = (page: string): string[] =>
  [...read(page).matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)]
    .map(([, link, picture]) => link ?? picture ?? "")
    .filter((link) => !/^(?:https?:|mailto:)/.test(link));

/** The anchors that a page's headings give, as GitHub makes them. */
const anchorsOf = (page: string): string[] =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe("the pages", () => {
  test("DO4 no link between them is dead", () => {
    const links = pages.flatMap((page) => linksOf(page).map((link) => ({ page, link })));
    const dead = links.filter(({ page, link }) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(links.length).toBeGreaterThan(20);
    // A page of the server, as the example embeds it.
    expect(dead.filter(({ link }) => !link.startsWith("/"))).toEqual([]);
  });

  test("DO4 the index names every page of docs", () => {
    const index = read("docs/README.md");
    expect(guides.length).toBeGreaterThan(5);
    expect(guides.filter((name) => name !== "README.md" && !new RegExp(`[(\`]${name}[)\`]`).test(index))).toEqual([]);
  });

  test("DO5 the npm scripts that they name exist", () => {
    const { scripts } = v.parse(
      v.object({ scripts: v.record(v.string(), v.string()) }),
      JSON.parse(read("package.json")),
    );
    const named = pages.flatMap((page) =>
      [...read(page).matchAll(/\bnpm (?:run ([a-z:-]+)|(start|test)\b)/g)].map(([, run, short]) => run ?? short ?? ""),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });
});
