/** What runs where: hosts, the way to them, and the room on them. */
import { isIP } from "node:net";
import { capacityPlan, gib } from "../capacity.ts";
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
  checkRoom({ hosts, placement }, { providers }, report);
}

/** What the operating system and Docker need besides the engines, MiB. */
const SYSTEM_MIB = 1024;

/** The engines of a host must fit on its GPUs, into its memory and on its disk, together. */
function checkRoom(
  { hosts, placement }: Pick<StackSettings, "hosts" | "placement">,
  { providers }: Providers,
  report: Report,
): void {
  for (const [hostName, plan] of capacityPlan(hosts, placement.providers, providers)) {
    const host = hosts[hostName];
    const held: number[] = [];
    for (const { provider, shares, basis, refusal } of plan.holdings) {
      const path = ["placement", "providers", provider];
      if (refusal) report(path, ...refusal);
      const beyond = shares.find(({ gpu }) => host?.gpus && gpu >= host.gpus.count);
      if (beyond && host?.gpus) {
        const message = `asks for GPU ${beyond.gpu} of "${hostName}", which has ${host.gpus.count} (0 to ${host.gpus.count - 1})`;
        report(path, message, "ask for fewer, or correct gpus of the host");
      }
      const needs = shares.reduce((sum, { mib }) => sum + mib, 0);
      if (!host?.gpus && needs > 0 && basis !== "unknown") {
        const message = `needs ${gib(needs)} of GPU memory, and what "${hostName}" has is not said`;
        report(path, message, `add gpus: { count: …, memoryMiB: … } to the host "${hostName}"`, "warning");
      }
      if (host?.gpus && shares.length > 0 && basis === "unknown")
        report(
          path,
          "what it takes on its GPUs is not known",
          "add memory to its model, or gpu_memory_mib to its engine",
          "warning",
        );
      const full = shares.find(({ gpu, mib }) => host?.gpus && (held[gpu] ?? 0) + mib > host.gpus.memoryMiB);
      if (full && host?.gpus) {
        const others = held[full.gpu] ? ` beside the ${gib(held[full.gpu] ?? 0)} of others` : "";
        const message = `needs ${gib(full.mib)} on GPU ${full.gpu} of "${hostName}"${others}, and that has ${gib(host.gpus.memoryMiB)}`;
        report(
          path,
          message,
          "place it elsewhere or on another GPU (gpus: [1]), lower context_length or parallel, or use a smaller quantization",
        );
      }
      for (const { gpu, mib } of shares) held[gpu] = (held[gpu] ?? 0) + mib;
    }
    const names = plan.holdings.map(({ provider }) => provider).join(", ");
    if (host?.memoryMiB !== undefined && plan.containersMiB + SYSTEM_MIB > host.memoryMiB) {
      const message = `has ${gib(host.memoryMiB)}, and ${names} may take ${gib(plan.containersMiB)} (memory_mib), besides 1 GiB for the system`;
      report(["hosts", hostName, "memoryMiB"], message, "lower memory_mib, or place one elsewhere");
    }
    const weights = plan.holdings.flatMap(({ provider }) => providers[provider]?.models ?? []);
    const onDisk = weights.reduce((sum, { memory }) => sum + (memory?.weights_mib ?? 0), 0);
    if (host?.diskMiB !== undefined && onDisk > host.diskMiB) {
      const message = `has ${gib(host.diskMiB)} for models, and those of ${names} take ${gib(onDisk)}`;
      report(["hosts", hostName, "diskMiB"], message, "place one elsewhere, or use a smaller quantization");
    }
  }
}
