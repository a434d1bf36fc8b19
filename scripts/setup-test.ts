// Owns what the tests need of a machine: a list of steps, each of which finds its part, fetches it, or says what is missing.

/** One part. Resolves to what it found; rejects with a sentence that says what is missing and what to do about it. */
type Step = { readonly name: string; readonly prepare: () => Promise<string> };

const neededNode = [24, 18, 1] as const;

function isAtLeast(version: string, needed: readonly number[]): boolean {
  const have = version.replace(/^v/, "").split(".").map(Number);
  const differing = needed.findIndex((part, i) => have[i] !== part);
  return differing === -1 || (have[differing] ?? 0) > (needed[differing] ?? 0);
}

const steps: readonly Step[] = [
  {
    name: "Node",
    prepare() {
      if (isAtLeast(process.version, neededNode)) return Promise.resolve(process.version);
      const needed = neededNode.join(".");
      return Promise.reject(
        new Error(`Node ${needed} or newer is needed, this is ${process.version}. Run "npm ci", then use "npm run".`),
      );
    },
  },
];

for (const { name, prepare } of steps) {
  try {
    console.log(`setup: ${name}: ${await prepare()}`);
  } catch (error) {
    console.error(`setup: ${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
