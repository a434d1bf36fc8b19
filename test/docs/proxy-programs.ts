// Owns where the proxies are that the tests run, and what they are called. It starts none.
import { existsSync } from "node:fs";

/** Programs, with the package of Debian that has them, and the variable that says where they are instead. */
export const proxyPrograms = [
  { name: "nginx", package: "nginx-light", variable: "NGINX_PATH" },
  { name: "caddy", package: "caddy", variable: "CADDY_PATH" },
  { name: "openssl", package: "openssl", variable: "OPENSSL_PATH" },
] as const;

type ProgramName = (typeof proxyPrograms)[number]["name"];

/** The variable's path, or where distributions put it. */
export function findProgram(name: ProgramName): string | undefined {
  const variable = proxyPrograms.find((program) => program.name === name)?.variable ?? "";
  const folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
  return [process.env[variable], ...folders.map((folder) => `${folder}/${name}`)].find(
    (path) => path !== undefined && existsSync(path),
  );
}
