// Owns what a download of code is called, by its language.

const endings: Readonly<Record<string, string>> = {
  bash: "sh",
  csharp: "cs",
  dockerfile: "Dockerfile",
  golang: "go",
  javascript: "js",
  kotlin: "kt",
  markdown: "md",
  makefile: "mk",
  objectivec: "m",
  perl: "pl",
  plaintext: "txt",
  powershell: "ps1",
  python: "py",
  ruby: "rb",
  rust: "rs",
  shell: "sh",
  text: "txt",
  typescript: "ts",
  yaml: "yml",
};

export function fileNameOf(language: string): string {
  const name = language.toLowerCase();
  const known = Object.hasOwn(endings, name) ? endings[name] : undefined;
  const ending = known ?? (/^[a-z\d]{1,8}$/.test(name) ? name : "txt");
  return ending === "Dockerfile" ? ending : `code.${ending}`;
}
