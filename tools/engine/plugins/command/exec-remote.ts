import { createHash } from "node:crypto";
import { getServers } from "node:dns";
import { Client, type ConnectConfig, utils } from "ssh2";
import { ProviderError } from "../provider.ts";
import type { Execution, Outcome } from "./execution.ts";

/** A connection as Check leaves it: defaults filled in, no secret marks. */
export interface Connection {
  host: string;
  port: number;
  user: string;
  dialErrorLimit: number;
  perDialTimeout: number;
  password?: string;
  privateKey?: string;
  privateKeyPassword?: string;
  agentSocketPath?: string;
  hostKey?: string;
  proxy?: Connection;
}

/** The order in which the real plugin's SSH library asks for host keys; a pinned key of a later kind fails. */
const HOST_KEY_ORDER: Exclude<NonNullable<ConnectConfig["algorithms"]>["serverHostKey"], undefined> = [
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-256",
  "rsa-sha2-512",
  "ssh-rsa",
  "ssh-ed25519",
];

/** The real plugin's words for what went wrong while dialling. */
function dialError(
  error: NodeJS.ErrnoException & { level?: string },
  to: Connection,
  mismatch: boolean,
): ProviderError {
  const where = `${to.host}:${to.port}`;
  if (mismatch) return new ProviderError("UNKNOWN", "ssh: handshake failed: ssh: host key mismatch");
  if (error.level === "client-authentication") {
    const methods =
      to.privateKey || to.agentSocketPath ? "[none publickey]" : to.password ? "[none password]" : "[none]";
    return new ProviderError(
      "UNKNOWN",
      `ssh: handshake failed: ssh: unable to authenticate, attempted methods ${methods}, no supported methods remain`,
    );
  }
  switch (error.code) {
    case "ECONNREFUSED":
      return new ProviderError("UNKNOWN", `dial tcp ${where}: connect: connection refused`);
    case "EHOSTUNREACH":
      return new ProviderError("UNKNOWN", `dial tcp ${where}: connect: no route to host`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ProviderError(
        "UNKNOWN",
        `dial tcp: lookup ${to.host} on ${getServers()[0] ?? "localhost"}:53: no such host`,
      );
    default:
      return error.level === "client-timeout" || error.code === "ETIMEDOUT"
        ? new ProviderError("DEADLINE_EXCEEDED", `dial tcp ${where}: i/o timeout`)
        : new ProviderError("UNKNOWN", `ssh: handshake failed: ${error.message}`);
  }
}

function attempt(to: Connection, sock?: ConnectConfig["sock"]): Promise<Client> {
  const pinned = to.hostKey === undefined ? undefined : utils.parseKey(to.hostKey);
  if (pinned instanceof Error) throw new ProviderError("UNKNOWN", "failed to parse host key: ssh: no key found");
  if (to.privateKey !== undefined) checkPrivateKey(to.privateKey, to.privateKeyPassword);
  const agent = to.agentSocketPath ?? process.env.SSH_AUTH_SOCK;
  let mismatch = false;
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.once("ready", () => resolve(client));
    client.once("error", (error) => {
      client.destroy();
      reject(dialError(error, to, mismatch));
    });
    client.connect({
      host: to.host,
      port: to.port,
      username: to.user,
      readyTimeout: to.perDialTimeout > 0 ? to.perDialTimeout * 1000 : 0,
      algorithms: { serverHostKey: HOST_KEY_ORDER },
      ...(sock && { sock }),
      ...(to.password !== undefined && { password: to.password }),
      ...(to.privateKey !== undefined && { privateKey: to.privateKey, passphrase: to.privateKeyPassword }),
      ...(agent && { agent }),
      // Without a pinned key any key is accepted, as the real plugin does.
      hostVerifier: (key: Buffer) => {
        mismatch = pinned !== undefined && !fingerprint(pinned.getPublicSSH()).equals(fingerprint(key));
        return !mismatch;
      },
    });
  });
}

/** Throws the real plugin's words for a key that cannot be used; nothing is dialled then. */
function checkPrivateKey(text: string, password?: string): void {
  const key = utils.parseKey(text, password);
  if (!(key instanceof Error)) return;
  const isProtected = /no passphrase given/i.test(key.message);
  const why = isProtected ? "ssh: this private key is passphrase protected" : "ssh: no key found";
  throw new ProviderError("UNKNOWN", why);
}

const fingerprint = (key: Buffer) => createHash("sha256").update(key).digest();

/** Dials as often as asked: `dialErrorLimit` N means N + 1 attempts. */
async function dial(to: Connection, execution: Execution, log: (message: string) => void): Promise<Client[]> {
  let through: Client[] = [];
  if (to.proxy) {
    through = await retry(to.proxy, "proxy ", log, execution.signal, () =>
      attempt(to.proxy as Connection).then((c) => [c]),
    );
  }
  try {
    return await retry(to, "", log, execution.signal, async () => {
      const sock = through[0] ? await forward(through[0], to) : undefined;
      return [await attempt(to, sock), ...through];
    });
  } catch (error) {
    for (const client of through) client.end();
    throw error;
  }
}

const forward = (through: Client, to: Connection) =>
  new Promise<NonNullable<ConnectConfig["sock"]>>((resolve, reject) =>
    through.forwardOut("127.0.0.1", 0, to.host, to.port, (error, stream) => (error ? reject(error) : resolve(stream))),
  );

async function retry(
  to: Connection,
  label: string,
  log: (message: string) => void,
  signal: AbortSignal,
  run: () => Promise<Client[]>,
): Promise<Client[]> {
  for (let failed = 0; ; failed++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ProviderError) || /^(failed to parse|ssh: (no key|this private))/.test(error.message))
        throw error;
      if (failed >= to.dialErrorLimit || signal.aborted) {
        const prefix = label === "" ? "" : "proxy: ";
        throw new ProviderError(error.code, `${prefix}after ${failed} failed attempts: ${error.message}`);
      }
      log(`Dial ${label}${failed + 1}/${to.dialErrorLimit} failed: retrying`);
      await new Promise((wake) => setTimeout(wake, 100 + Math.random() * 150));
    }
  }
}

interface Ended {
  /** What the real plugin says of anything but exit 0. */
  wrong?: string;
}

/** Runs one command. Listeners are set before anything else is read: the end may come in the same packet as the start. */
const run = (
  client: Client,
  command: string,
  env: Record<string, string>,
  stdin: string,
  out: (data: Buffer) => void,
  err: (data: Buffer) => void,
) =>
  new Promise<Ended>((resolve, reject) =>
    client.exec(command, { env }, (error, channel) => {
      if (error) return reject(error);
      let ended: Ended = { wrong: "wait: remote command exited without exit status or exit signal" };
      channel.on("data", out);
      channel.stderr.on("data", err);
      channel.on("exit", (code: number | null, signal?: string) => {
        if (code === 0) ended = {};
        else if (signal) ended = { wrong: `Process exited with status 143 from signal ${signal.replace(/^SIG/, "")}` };
        else ended = { wrong: `Process exited with status ${code}` };
      });
      channel.on("close", () => resolve(ended));
      channel.end(stdin);
    }),
  );

/** The names among `wanted` that the server refuses to set. ssh2 cannot tell, so it is looked up. */
async function refused(client: Client, wanted: Record<string, string>): Promise<string[]> {
  const names = Object.keys(wanted);
  if (names.length === 0) return [];
  let text = "";
  await run(
    client,
    "env -0",
    wanted,
    "",
    (data) => (text += data),
    () => {},
  );
  const set = new Set(text.split("\0").map((entry) => entry.split("=")[0]));
  return names.filter((name) => !set.has(name));
}

const refusal = (name: string) =>
  `Unable to set '${name}'. This only works if your SSH server is configured to accept\n\tthese variables via AcceptEnv. Alternatively, if a Bash-like shell runs the command on the remote host, you could\n\tprefix the command itself with the variables in the form 'VAR=value command'`;

/** Runs a command over SSH. Throws a ProviderError in the real plugin's words. */
export async function executeRemotely(
  execution: Execution,
  to: Connection,
  previous: Record<string, string>,
  log: (severity: "info" | "warning" | "error", message: string) => void,
): Promise<Outcome> {
  const clients = await dial(to, execution, (message) => log("info", message));
  const client = clients[0] as Client;
  const abort = () => client.destroy();
  execution.signal.addEventListener("abort", abort, { once: true });
  try {
    const names = await refused(client, { ...execution.environment, ...previous });
    for (const name of names) {
      log(name in previous ? "warning" : "error", refusal(name));
      if (!(name in previous)) {
        throw new ProviderError("UNKNOWN", `could not set environment variable "${name}": ssh: setenv failed`);
      }
    }
    const output = execution.capture();
    const { wrong } = await run(
      client,
      execution.command,
      { ...execution.environment, ...previous },
      execution.stdin ?? "",
      (data) => output.stdout(data),
      (data) => output.stderr(data),
    );
    if (wrong) throw new ProviderError("UNKNOWN", `${wrong}: running "${execution.command}":\n${output.both()}`);
    return output.outcome();
  } finally {
    execution.signal.removeEventListener("abort", abort);
    for (const one of clients) one.end();
  }
}
