// Owns where the C compiler is that the test of a power cut needs. It compiles nothing.
import { existsSync } from "node:fs";

/** The one that CC names, or where distributions put it. */
export function findCompiler(): string | undefined {
  const paths = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang", "/usr/local/bin/cc"];
  return [process.env["CC"], ...paths].find((path) => path !== undefined && existsSync(path));
}
