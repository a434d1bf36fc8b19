// Owns the colouring of code by highlight.js, as a tree and never as HTML. A chunk of its own, fetched for the first finished block.
import { createLowlight } from "lowlight";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import graphql from "highlight.js/lib/languages/graphql";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import lua from "highlight.js/lib/languages/lua";
import markdown from "highlight.js/lib/languages/markdown";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import r from "highlight.js/lib/languages/r";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import scss from "highlight.js/lib/languages/scss";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

/** A piece of code: text, or pieces that have one colour. */
export type Coloured = string | { readonly name: string; readonly children: readonly Coloured[] };

const grammars = {
  bash,
  c,
  cpp,
  csharp,
  css,
  diff,
  dockerfile,
  go,
  graphql,
  ini,
  java,
  javascript,
  json,
  kotlin,
  lua,
  markdown,
  php,
  python,
  r,
  ruby,
  rust,
  scss,
  sql,
  swift,
  typescript,
  xml,
  yaml,
};
const lowlight = createLowlight(grammars);
lowlight.registerAlias({ typescript: ["tsx", "mts", "cts"], javascript: ["jsx"], bash: ["shell", "console"] });

type Node = ReturnType<typeof lowlight.highlight>["children"][number];

/** undefined: a language that is not known. */
export function colourCode(text: string, language: string): readonly Coloured[] | undefined {
  const name = language.toLowerCase();
  return lowlight.registered(name) ? lowlight.highlight(name, text).children.flatMap(colouredOf) : undefined;
}

function colouredOf(node: Node): readonly Coloured[] {
  if (node.type === "text") return [node.value];
  if (node.type !== "element") return [];
  const { className } = node.properties;
  return [{ name: Array.isArray(className) ? className.join(" ") : "", children: node.children.flatMap(colouredOf) }];
}
