/** What runs where: hosts, the way to them, and the room on them. */
import { isIP } from "node:net";
import { type Report, suggest } from "../problems.ts";
import type { Providers } from "../schema/providers.ts";
import type { StackSettings } from "../schema/stack.ts";

/** Below it a caller can read other callers' answers and keys (GHSA-4xpc-pv4p-pm3w). */
const LITELLM_FLOOR = [1, 86, 2] as const;

export function checkHosts({ hosts, ssh, clients, images }: StackSettings, report: Report): void {
  for (const [name, host] of Object.entries(hosts)) {
    if (host.kind !== "ssh") continue;
    if (!ssh)
      report(["hosts", name], "is reached over SSH, and there is no ssh section", "add ssh with a knownHostsFile");
    const { bastion } = host;
    if (bastion === undefined) continue;
    const others = Object.keys(hosts).filter((other) => other !== name && hosts[other]?.kind === "ssh");
    const through = hosts[bastion];
    if (bastion === name) report(["hosts", name, "bastion"], "is the host itself", "remove it, or name another host");
    else if (!through) report(["hosts", name, "bastion"], `no host is named "${bastion}"`, suggest(bastion, others));
    else if (through.kind === "local") report(["hosts", name, "bastion"], `"${bastion}" is this machine`, "remove it");
    else if (through.bastion) report(["hosts", name, "bastion"], `"${bastion}" has a bastion itself`, "use one hop");
  }
  const seen = new Set<string>();
  for (const [i, { name }] of clients.entries()) {
    if (seen.has(name)) report(["clients", i, "name"], `there are two clients named "${name}"`, "rename one of them");
    seen.add(name);
  }
  const version = /:(?:main-)?v?(\d+)\.(\d+)\.(\d+)/.exec(images.gateway)?.slice(1).map(Number);
  const below = version && LITELLM_FLOOR.map((floor, i) => (version[i] ?? 0) - floor).find((by) => by !== 0);
  if (below !== undefined && below < 0) {
    report(
      ["images", "gateway"],
      `is LiteLLM ${version?.join(".")}, and versions below ${LITELLM_FLOOR.join(".")} have a known hole`,
      "use the version this program was tested with: remove the setting",
    );
  }
}

export function checkPlacement(
  { hosts, placement, edge }: StackSettings,
  { providers }: Providers,
  report: Report,
): void {
  if (!hosts[placement.gateway]) {
    report(
      ["placement", "gateway"],
      `no host is named "${placement.gateway}"`,
      suggest(placement.gateway, Object.keys(hosts)),
    );
  }
  const managed = Object.keys(providers).filter((name) => providers[name]?.engine);
  const ports = new Map<string, string>([[`${placement.gateway}:${edge.port}`, "the edge"]]);
  for (const [name, hostName] of Object.entries(placement.providers)) {
    const path = ["placement", "providers", name];
    const host = hosts[hostName];
    if (!managed.includes(name)) {
      const external = providers[name] !== undefined;
      const why = external ? "has no engine section, so it runs elsewhere" : "is no provider of providers.yaml";
      report(path, `"${name}" ${why}`, external ? "remove it here, or give it an engine" : suggest(name, managed));
    } else if (!host) {
      report(path, `no host is named "${hostName}"`, suggest(hostName, Object.keys(hosts)));
    } else if (hostName !== placement.gateway) {
      const fix = "give the host's private IP address";
      if (host.address === undefined)
        report(["hosts", hostName], "runs an engine for another host and has no address", fix);
      else if (!isIP(host.address))
        report(["hosts", hostName, "address"], "an engine must listen on it, so it must be an IP address", fix);
    }
    const port = providers[name]?.engine?.port;
    const taken = ports.get(`${hostName}:${port}`);
    if (port && taken)
      report(
        path,
        `port ${port} of "${hostName}" is taken by ${taken}`,
        "give the engine another port in providers.yaml",
      );
    if (port) ports.set(`${hostName}:${port}`, `"${name}"`);
  }
  checkGpuMemory({ hosts, placement }, { providers }, report);
}

/** The engines of a host must fit into its GPUs together. */
function checkGpuMemory(
  { hosts, placement }: Pick<StackSettings, "hosts" | "placement">,
  { providers }: Providers,
  report: Report,
): void {
  const used = new Map<string, number>();
  for (const [name, hostName] of Object.entries(placement.providers)) {
    const provider = providers[name];
    const needs = provider?.status === "disabled" ? undefined : provider?.engine?.gpu_memory_mib;
    const host = hosts[hostName];
    if (needs === undefined || !host) continue;
    const path = ["placement", "providers", name];
    const room = host.gpuMemoryMiB;
    const before = used.get(hostName) ?? 0;
    used.set(hostName, before + needs);
    if (room === undefined) {
      const message = `needs ${needs} MiB of GPU memory, and what "${hostName}" has is not said`;
      report(path, message, `add gpuMemoryMiB to the host "${hostName}"`, "warning");
    } else if (before + needs > room) {
      const others = before > 0 ? ` beside the ${before} MiB of others` : "";
      report(
        path,
        `needs ${needs} MiB of GPU memory${others}, and "${hostName}" has ${room} MiB`,
        "place it elsewhere, use a smaller quantization, or correct gpuMemoryMiB",
      );
    }
  }
}
