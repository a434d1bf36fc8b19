// Owns a real nginx or Caddy for tests, on the files of deploy: only names, ports, certificates and times are put in. It leaves none behind.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { until } from "../server/talker.ts";
import { findProgram } from "./proxy-programs.ts";

const deploy = join(import.meta.dirname, "../../deploy");

/** Puts values in. Each text to be replaced has to be there: otherwise the file is another than the test thinks. */
function fill(file: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${file} has no "${from}"`);
      return text.replaceAll(from, to);
    },
    readFileSync(join(deploy, file), "utf8"),
  );
}

function programOf(name: "nginx" | "caddy" | "openssl"): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is missing: run npm run setup:test.`);
  return path;
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** Whether somebody listens. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const answer = await Promise.race([once(socket, "connect"), once(socket, "error").catch(() => [])]).then(
    () => true,
    () => false,
  );
  socket.destroy();
  return answer;
}

/** What still runs: no proxy outlives the tests that started it, also where they end early. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});

export class ProxyProcess {
  readonly url: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(url: string, folder: string, port: number, command: readonly string[]) {
    this.url = url;
    this.#folder = folder;
    this.#port = port;
    this.#command = command;
  }

  /** nginx with TLS, in front of `address`. `patience`: the seconds of silence it bears; the file's own by default. */
  static async nginx(address: string, patience?: number): Promise<ProxyProcess> {
    const folder = mkdtempSync(join(tmpdir(), "throughline-nginx-"));
    const [port, plain] = [await freePort(), await freePort()];
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
    const subject = ["-subj", "/CN=chat.example.com", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const args = ["req", "-x509", ...kind, "-keyout", key, "-out", certificate, ...subject];
    const made = spawnSync(programOf("openssl"), args, { encoding: "utf8" });
    if (made.status !== 0) throw new Error(made.stderr);
    setDefaultCACertificates([...getCACertificates("default"), readFileSync(certificate, "utf8")]);
    const site = fill("nginx.conf", {
      "127.0.0.1:8787": address,
      "listen 80;": `listen 127.0.0.1:${plain};`,
      "listen 443 ssl http2;": `listen 127.0.0.1:${port} ssl http2;`,
      "/etc/ssl/chat.example.com/fullchain.pem": certificate,
      "/etc/ssl/chat.example.com/privkey.pem": key,
      ...(patience === undefined ? {} : { "_timeout 75s;": `_timeout ${patience}s;` }),
    });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join("\n");
    const user = process.getuid?.() === 0 ? "user root;" : "";
    writeFileSync(
      join(folder, "nginx.conf"),
      `daemon off;\n${user}\npid ${join(folder, "pid")};\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${site}\n}\n`,
    );
    const command = [programOf("nginx"), "-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")];
    return new ProxyProcess(`https://127.0.0.1:${port}`, folder, port, command);
  }

  /** Caddy without TLS, in front of `address`. */
  static async caddy(address: string): Promise<ProxyProcess> {
    const folder = mkdtempSync(join(tmpdir(), "throughline-caddy-"));
    const port = await freePort();
    const values = { "127.0.0.1:8787": address, "chat.example.com {": `http://127.0.0.1:${port} {` };
    const file = join(folder, "Caddyfile");
    writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${fill("Caddyfile", values)}`);
    const command = [programOf("caddy"), "run", "--adapter", "caddyfile", "--config", file];
    return new ProxyProcess(`http://127.0.0.1:${port}`, folder, port, command);
  }

  async start(): Promise<void> {
    const [program = "", ...args] = this.#command;
    const env = { ...process.env, HOME: this.#folder, XDG_DATA_HOME: this.#folder, XDG_CONFIG_HOME: this.#folder };
    const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (data: Buffer) => (said += String(data)));
    this.#child = child;
    running.add(child);
    child.on("exit", () => running.delete(child));
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said}`);
        return listens(this.#port);
      },
      "the proxy",
      30_000,
    );
  }

  /** Ends it as a service manager does, with all its workers and sockets. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
