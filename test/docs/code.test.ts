// Owns the proof that what the pages tell people to type is right: TypeScript compiles, settings exist. It runs none of it.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import * as v from "valibot";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const pages = ["README.md", ...guides.map((name) => `docs/${name}`)];

type Block = { readonly page: string; readonly line: number; readonly language: string; readonly text: string };
const blocksOf = (page: string): Block[] => {
  const text = read(page);
  return [...text.matchAll(/^( *)```(\w+)\n(.*?)^\1```$/gms)].map(({ index, 2: language = "", 3: code = "" }) => ({
    page,
    line: text.slice(0, index).split("\n").length,
    language,
    text: code,
  }));
};
const blocks = pages.flatMap(blocksOf);

/** What a reader has of their own, or what was made a block earlier. */
const world = `
declare module "firebase/auth" {
  export function getAuth(): { readonly currentUser: { getIdToken(fresh?: boolean): Promise<string> } | null };
}
declare const client: import("throughline/client").Client;
declare const chat: import("throughline/client").ConversationHandle;
declare const id: string;
declare const input: { readonly files: readonly [File] };
declare const bar: HTMLProgressElement;
declare const part: { readonly url: string };
declare function show(rejection: import("throughline/client").Rejection): void;
declare const user: { getIdToken(): Promise<string> };
declare const auth: { idToken(fresh: boolean): Promise<string> };
declare function draw(entries: readonly import("throughline/client").Entry[]): void;
declare function showSignIn(): void;
declare const app: import("node:http").RequestListener;
declare const myModel: import("throughline/server").Model;
declare const myTokens: import("throughline/server").Identity;
`;

mkdirSync(join(root, ".cache"), { recursive: true });
// Inside the repository, so that packages are found as a program of the reader finds them.
const place = mkdtempSync(join(root, ".cache/docs-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** The complaints of the compiler about these blocks, each with its page and line. */
function compile(all: readonly Block[]): string[] {
  const { exports } = v.parse(
    v.object({ exports: v.record(v.string(), v.object({ types: v.string() })) }),
    JSON.parse(read("package.json")),
  );
  const sourceOf = (types: string): string => join(root, types.replace("./dist/", "src/").replace(".d.ts", ".ts"));
  const paths = Object.fromEntries(
    Object.entries(exports).map(([name, { types }]) => [name.replace(/^\./, "throughline"), [sourceOf(types)]]),
  );
  const include = ["world.d.ts", "block-*"];
  const config = { extends: "../../tsconfig.json", compilerOptions: { paths, rootDir: root }, include };
  writeFileSync(join(place, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(place, "world.d.ts"), world);
  for (const [i, { language, text }] of all.entries())
    writeFileSync(join(place, `block-${i}.${language}`), `${text}\nexport {};\n`);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout, stderr, status } = spawnSync(process.execPath, [tsc, "-p", place, "--pretty", "false"], {
    cwd: place,
    encoding: "utf8",
  });
  for (const [i, { language }] of all.entries()) rmSync(join(place, `block-${i}.${language}`));
  const said = (stdout + stderr).split("\n").filter((line) => line.includes("error TS"));
  if (status !== 0 && said.length === 0) throw new Error(stdout + stderr);
  return said.map((line) =>
    line.replace(/^.*block-(\d+)\.tsx?\((\d+),\d+\)/, (_all, at: string, row: string) => {
      const block = all[Number(at)];
      return `${block?.page}:${(block?.line ?? 0) + Number(row)}`;
    }),
  );
}

test("DO11 the TypeScript of the pages compiles against what the package exports", { timeout: 120_000 }, () => {
  const code = blocks.filter(({ language }) => language === "ts" || language === "tsx");
  expect(code.length).toBeGreaterThan(8);
  const wrong = {
    page: "none",
    line: 0,
    language: "ts",
    text: 'import { createClient } from "throughline/client";\ncreateClient({ guest: 1 });',
  };
  const said = compile([...code, wrong]);
  expect(said.filter((line) => !line.startsWith("none:"))).toEqual([]);
  // Wrong on purpose: the check sees what it should.
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/^none:2: error TS/);
});

test("DO11 the settings that a shell block gives exist", () => {
  const shell = blocks.filter(({ language }) => language === "sh");
  const known = read("src/settings.ts");
  const named = shell.flatMap(({ page, text }) =>
    [...text.matchAll(/(?:^|\s)([A-Z][A-Z0-9_]+)=/gm)].map(([, name = ""]) => ({ page, name })),
  );
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter(({ name }) => !known.includes(`"${name}"`))).toEqual([]);
});
