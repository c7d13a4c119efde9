/** The way to a Docker daemon: a socket, TCP, or the `ssh` program, as the real plugin goes. */
import { type ChildProcess, spawn } from "node:child_process";
import http from "node:http";
import { Duplex } from "node:stream";
import Docker from "dockerode";
import { ProviderError } from "../provider.ts";

/** One `ssh … docker system dial-stdio`, as a socket. */
class DialStdio extends Duplex {
  constructor(private readonly child: ChildProcess) {
    super();
    child.stdout?.on("data", (data) => {
      if (!this.push(data)) child.stdout?.pause();
    });
    child.stdout?.on("end", () => this.push(null));
    child.stdin?.on("error", (error) => this.destroy(error));
  }
  override _read(): void {
    this.child.stdout?.resume();
  }
  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.child.stdin?.write(chunk, encoding, done);
  }
  override _final(done: () => void): void {
    this.child.stdin?.end(done);
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.child.kill();
    done(error);
  }
  // What Node's HTTP client asks of a socket.
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

function sshCommand(url: URL, options: string[]): string[] {
  const user = url.username ? ["-l", url.username] : [];
  const port = url.port ? ["-p", url.port] : [];
  return [
    ...user,
    ...port,
    ...options,
    "-o",
    "ConnectTimeout=30",
    "-T",
    "--",
    url.hostname,
    "docker",
    "system",
    "dial-stdio",
  ];
}

class SshAgent extends http.Agent {
  constructor(
    private readonly args: string[],
    private readonly failed: (reason: string) => void,
  ) {
    super({ keepAlive: false });
  }
  // biome-ignore lint/suspicious/noExplicitAny: Node's type wants a net.Socket
  override createConnection(): any {
    const child = spawn("ssh", this.args, { stdio: ["pipe", "pipe", "pipe"] });
    const socket = new DialStdio(child);
    let said = "";
    child.stderr.on("data", (data) => {
      said += data;
    });
    child.on("exit", (code) => {
      if (code) {
        this.failed(
          `command [ssh ${this.args.join(" ")}] has exited with exit status ${code}, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=${said}`,
        );
      }
    });
    return socket;
  }
}

export class Daemon {
  #docker?: Docker;
  #host = "";
  #reason = "";

  /** Takes the provider's settings. A dead socket or TCP daemon fails at once, a dead ssh host only when used. */
  async configure(host: string | undefined, sshOptions: string[]): Promise<void> {
    this.#host = host ?? process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
    const prefix = "docker native provider returned an unexpected error from Configure: ";
    if (!/^[a-z]+:\/\//.test(this.#host)) {
      throw new ProviderError("UNKNOWN", `${prefix}unable to parse docker host \`${this.#host}\``);
    }
    const url = new URL(this.#host);
    if (url.protocol === "ssh:") {
      const agent = new SshAgent(sshCommand(url, sshOptions), (reason) => {
        this.#reason = reason;
      });
      // `agent` is docker-modem's own option; its types leave it out.
      this.#docker = new Docker({
        protocol: "http",
        host: "docker.example.com",
        port: 80,
        agent,
      } as Docker.DockerOptions);
      return;
    }
    this.#docker =
      url.protocol === "unix:"
        ? new Docker({ socketPath: url.pathname })
        : new Docker({ protocol: "http", host: url.hostname, port: url.port });
    await this.#docker.ping().catch(() => {
      throw new ProviderError("UNKNOWN", `${prefix}failed to connect to any docker daemon`);
    });
  }

  /** A client that has just answered a ping. `during` prefixes the error as the real plugin does. */
  async client(during: string): Promise<Docker> {
    const docker = this.#docker as Docker;
    try {
      await docker.ping();
      return docker;
    } catch (error) {
      await new Promise((wake) => setTimeout(wake, 50)); // ssh's own words arrive with its exit
      const why = this.#reason || (error as Error).message;
      throw failed(
        during,
        `failed to create Docker client: Error pinging Docker server, please make sure that ${this.#host} is reachable and has a  '_ping' endpoint. Error: error during connect: Head "http://docker.example.com/_ping": ${why}`,
      );
    }
  }
}

export function failed(during: string, message: string, partial?: ProviderError["partial"]): ProviderError {
  return new ProviderError("UNKNOWN", `${during}1 error occurred:\n\t* ${message}\n\n`, partial);
}

/** What the daemon itself said. */
export function daemonSaid(error: unknown): string {
  const { json, message } = error as { json?: { message?: string }; message: string };
  return `Error response from daemon: ${json?.message ?? message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim()}`;
}

export const isGone = (error: unknown) => (error as { statusCode?: number }).statusCode === 404;
export const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

/** The real plugin polls networks and volumes every two seconds, so each such call takes that long at least. */
export const POLL_MS = 2000;
const DELETE_LIMIT_MS = 30_000;

/** Removes until it is gone, or until the real plugin gives up; `pending` is its word for the state meanwhile. */
export async function removeUntilGone(remove: () => Promise<unknown>, during: string, pending: string): Promise<void> {
  const end = Date.now() + DELETE_LIMIT_MS;
  for (;;) {
    const gone = await remove().then(() => true, isGone);
    await pause(POLL_MS);
    if (gone) return;
    if (Date.now() > end) {
      const why = `timeout while waiting for state to become 'removed' (last state: '${pending}', timeout: 30s)`;
      throw failed(during, why);
    }
  }
}
