// Owns how the tests run: which files, how long, how many at once.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A busy machine gets to it later; what is awaited is exact.
    expect: { poll: { timeout: 10_000 } },
    maxWorkers: 2,
    globalSetup: "test/browser/build.ts",
  },
});
