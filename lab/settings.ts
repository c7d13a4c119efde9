/** What a lab is: where its files lie, which addresses it has, which hosts. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CACHE_DIR, LAB_DIR } from "../tools/engine/paths.ts";

export interface LabSettings {
  /** Folder of keys, disks, state. Default `.lab` in the checkout. */
  dir: string;
  /** Prefix of namespaces, links and cgroups, at most 8 characters. Default `ab`. */
  tag: string;
  /** The first three octets of the lab's /24; `.1` is this machine. Default `10.88.0`. */
  net: string;
  /** Host name → last octet. */
  hosts: Record<string, number>;
}

export const DEFAULTS: LabSettings = {
  dir: LAB_DIR,
  tag: "ab",
  net: "10.88.0",
  hosts: { gateway: 10, observability: 11, gpu1: 12 },
};

export const ROOTFS = join(CACHE_DIR, "lab-rootfs-bookworm-1");
export const addressOf = (lab: LabSettings, host: string) => `${lab.net}.${lab.hosts[host]}`;
export const registryOf = (lab: LabSettings) => `${lab.net}.1:5000`;
export const upstreamOf = (lab: LabSettings) => `http://${lab.net}.1:9100`;

/** "a:10,b:11" → hosts. Throws with what is wrong. */
export function parseHosts(text: string): Record<string, number> {
  const hosts: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [, name, octet] = /^([a-z][a-z0-9-]*):(\d{1,3})$/.exec(part) ?? [];
    const number = Number(octet);
    if (!name || number < 2 || number > 254) {
      throw new Error(
        `--hosts: "${part}" is not name:octet, with an octet from 2 to 254 (example: gateway:10,gpu1:12)`,
      );
    }
    if (name in hosts) throw new Error(`--hosts: ${name} is there twice`);
    if (Object.values(hosts).includes(number)) throw new Error(`--hosts: two hosts have the octet ${number}`);
    hosts[name] = number;
  }
  return hosts;
}

const file = (dir: string) => join(dir, "lab.json");

/** The settings a lab was last brought up with, with what is asked now on top. */
export async function remembered(dir: string, asked: Partial<LabSettings>): Promise<LabSettings> {
  const saved = await readFile(file(dir), "utf8").then(JSON.parse, () => ({}));
  const lab: LabSettings = { ...DEFAULTS, ...saved, ...asked, dir };
  if (!/^\d{1,3}(\.\d{1,3}){2}$/.test(lab.net))
    throw new Error(`--net: "${lab.net}" is not three octets, as in 10.89.0`);
  if (!/^[a-z][a-z0-9]{0,7}$/.test(lab.tag))
    throw new Error(`--tag: "${lab.tag}" is not 1 to 8 small letters and digits`);
  return lab;
}

export async function remember(lab: LabSettings): Promise<void> {
  await mkdir(lab.dir, { recursive: true, mode: 0o700 });
  const { tag, net, hosts } = lab;
  await writeFile(file(lab.dir), `${JSON.stringify({ tag, net, hosts }, null, 2)}\n`);
}
