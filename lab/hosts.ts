/** The lab's machines, by way of hosts.sh. */
import { join } from "node:path";
import { execa } from "execa";
import { type LabSettings, ROOTFS } from "./settings.ts";

const SCRIPT = join(import.meta.dirname, "hosts.sh");

export const hostsEnvironment = (lab: LabSettings) => ({
  LAB: lab.dir,
  ROOTFS,
  TAG: lab.tag,
  NET: lab.net,
  HOSTS: Object.entries(lab.hosts)
    .map(([name, octet]) => `${name}:${octet}`)
    .join(" "),
});

/** Runs one verb of hosts.sh; what it says on failure is the error's message. */
export async function hosts(lab: LabSettings, ...args: string[]): Promise<string> {
  const result = await execa(SCRIPT, args, { env: hostsEnvironment(lab), reject: false });
  if (result.exitCode !== 0) throw new Error(result.stderr.trim() || `hosts.sh ${args.join(" ")} failed`);
  return result.stdout;
}

/** Runs a command in a host past the network, with text for its standard input. */
export async function inHost(lab: LabSettings, host: string, script: string, input = ""): Promise<string> {
  const result = await execa(SCRIPT, ["sh", host, "/bin/bash", "-euc", script], {
    env: hostsEnvironment(lab),
    input,
    reject: false,
  });
  if (result.exitCode !== 0) throw new Error(`${host}: ${result.stderr.trim() || `exit ${result.exitCode}`}`);
  return result.stdout;
}

export interface HostStatus {
  name: string;
  address: string;
  power: "on" | "off";
  link: string;
  docker: string;
  containers: string;
}

export async function status(lab: LabSettings): Promise<HostStatus[]> {
  const lines = (await hosts(lab, "status")).split("\n").filter(Boolean);
  return lines.map((line) => {
    const [name = "", address = "", power = "off", link = "", docker = "", containers = ""] = line.split(" ");
    return { name, address, power: power as HostStatus["power"], link, docker, containers };
  });
}
