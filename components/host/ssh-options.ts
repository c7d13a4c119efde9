import type { SshHostSettings } from "../../config/schema/stack.ts";
import { digestOf } from "../service/digest.ts";

export interface SshAccess {
  knownHostsFile: string;
  /** Path of a private key; left out: the agent. */
  privateKeyFile?: string;
  /** Folder for the sockets of shared connections; only this user may enter it. */
  controlDir: string;
}

const seconds = { connect: 5, persist: 60 };
/** A socket's path may have 107 bytes on Linux, and ssh makes it first with 17 more in its name. Past that: no sharing. */
const LONGEST_SOCKET = 88;

/**
 * The options of the `ssh` program for one host: what the docker provider and the preflight
 * share. `-F none` keeps the user's own configuration out, so that both ways to a host (this
 * one and the command provider's own SSH) go by the same settings. One connection is kept
 * and shared, since every call of the Docker API is an ssh of its own otherwise.
 */
export function sshOptions(access: SshAccess, host: SshHostSettings, bastion?: SshHostSettings): string[] {
  const option = (name: string, value: string | number) => ["-o", `${name}=${value}`];
  const common = [
    "-F",
    "none",
    ...(access.privateKeyFile ? ["-i", access.privateKeyFile, ...option("IdentitiesOnly", "yes")] : []),
    ...option("UserKnownHostsFile", access.knownHostsFile),
    ...option("GlobalKnownHostsFile", "/dev/null"),
    ...option("StrictHostKeyChecking", "yes"),
    ...option("BatchMode", "yes"),
    ...option("ConnectTimeout", seconds.connect),
    ...option("ServerAliveInterval", 5),
    ...option("ServerAliveCountMax", 3),
  ];
  const through = bastion && [
    "ssh",
    ...common,
    "-p",
    bastion.port,
    "-l",
    bastion.user,
    "-W",
    "[%h]:%p",
    bastion.address,
  ];
  const socket = `${access.controlDir}/${digestOf(host).slice(0, 12)}`;
  const shared = socket.length <= LONGEST_SOCKET;
  return [
    ...common,
    ...(shared
      ? [
          ...option("ControlMaster", "auto"),
          ...option("ControlPath", socket),
          ...option("ControlPersist", seconds.persist),
        ]
      : option("ControlMaster", "no")),
    ...(through ? option("ProxyCommand", through.join(" ")) : []),
  ];
}
