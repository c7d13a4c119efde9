/** What no schema can see: names that must exist elsewhere, and things that exclude each other. */
import { isIP } from "node:net";
import { suggest } from "./problems.ts";
import type { Mappings } from "./schema/mappings.ts";
import { type Providers, SECRET_REFERENCE } from "./schema/providers.ts";
import type { StackSettings } from "./schema/stack.ts";

export type Path = (string | number)[];
/** Reports a problem at a path of the document that the reporter belongs to. */
export type Report = (path: Path, message: string, fix: string) => void;

/** Engines this program can run, by provider type. */
const MANAGED_TYPES = ["llama_cpp"];
/** Vendors whose address is known. */
const CLOUD_TYPES = ["openai", "anthropic"];

export function checkHosts({ hosts, ssh, clients }: StackSettings, report: Report): void {
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
}

export function checkProviders({ providers }: Providers, placement: StackSettings["placement"], report: Report): void {
  for (const [name, provider] of Object.entries(providers)) {
    const path = ["providers", name];
    const { type, url, engine, api_key, models } = provider;
    if (engine && !MANAGED_TYPES.includes(type)) {
      report(
        [...path, "engine"],
        `this program does not run ${type} engines`,
        `remove engine and give a url, or use type ${MANAGED_TYPES.join(" or ")}`,
      );
    } else if (engine && url) {
      report(
        [...path, "url"],
        "the address of an engine that this program runs follows from its placement",
        "remove url",
      );
    } else if (engine && !placement.providers[name] && provider.status === "active") {
      report(
        [...path, "engine"],
        "has no place to run",
        `add ${name}: HOST under placement.providers of the stack file`,
      );
    } else if (!engine && !url && !CLOUD_TYPES.includes(type)) {
      report(path, "has neither url nor engine", MANAGED_TYPES.includes(type) ? "add one of them" : "add url");
    }
    if (CLOUD_TYPES.includes(type) && !api_key)
      report(path, "has no api_key", `add api_key: \${${type.toUpperCase()}_API_KEY}`);
    if (engine && api_key) report([...path, "api_key"], "an engine's key is made by the stack", "remove api_key");
    const seen = new Set<string>();
    for (const [i, model] of models.entries()) {
      if (seen.has(model.name))
        report([...path, "models", i, "name"], `there are two models named "${model.name}"`, "remove one of them");
      seen.add(model.name);
      if (engine && model.context_length && model.context_length > engine.context_length) {
        report(
          [...path, "models", i, "context_length"],
          `is more than the engine's ${engine.context_length} tokens a slot`,
          `raise engine.context_length, or write ${engine.context_length} here`,
        );
      }
    }
  }
}

export function checkSecrets(
  { providers }: Providers,
  secrets: Record<string, "secret" | "plain">,
  stack: string,
  report: Report,
): void {
  for (const [name, { api_key, status }] of Object.entries(providers)) {
    const reference = SECRET_REFERENCE.exec(api_key ?? "")?.[1];
    if (!reference || status === "disabled") continue;
    const command = `run \`pulumi config set --secret ${reference} --stack ${stack}\``;
    const path = ["providers", name, "api_key"];
    if (!secrets[reference]) report(path, `the stack has no secret ${reference}`, command);
    else if (secrets[reference] === "plain")
      report(path, `${reference} is stored in clear`, `${command}, and change the key`);
  }
}

export function checkRouting({ routing }: Mappings, { providers }: Providers, report: Report): void {
  const routes = routing.exact_matches;
  const names = Object.keys(routes);
  for (const [name, route] of Object.entries(routes)) {
    const path = ["routing", "exact_matches", name];
    const provider = providers[route.provider];
    if (!provider) {
      report(
        [...path, "provider"],
        `no provider is named "${route.provider}"`,
        suggest(route.provider, Object.keys(providers)),
      );
    } else if (provider.status === "disabled") {
      report([...path, "provider"], `"${route.provider}" is disabled`, "route to another provider, or make it active");
    } else {
      const model = route.model ?? name;
      const served = provider.models.map((one) => one.name);
      const at = route.model ? [...path, "model"] : path;
      if (!served.includes(model)) report(at, `"${route.provider}" serves no model "${model}"`, suggest(model, served));
    }
    for (const [i, next] of route.fallback_chain.entries()) {
      const at = [...path, "fallback_chain", i];
      if (!routes[next]) report(at, `no route is named "${next}"`, suggest(next, names));
      else if (route.fallback_chain.indexOf(next) !== i) report(at, `"${next}" is there twice`, "remove one of them");
    }
  }
  const cycle = findCycle(routes);
  if (cycle)
    report(
      ["routing", "exact_matches", cycle[0] ?? "", "fallback_chain"],
      `falls back to itself: ${cycle.join(" → ")}`,
      "break the circle",
    );
  const { default_model } = routing;
  if (default_model !== undefined && !routes[default_model]) {
    report(["routing", "default_model"], `no route is named "${default_model}"`, suggest(default_model, names));
  }
}

/** The first circle of fallbacks, its first name again at the end. */
function findCycle(routes: Mappings["routing"]["exact_matches"]): string[] | undefined {
  const done = new Set<string>();
  const visit = (name: string, trail: string[]): string[] | undefined => {
    const again = trail.indexOf(name);
    if (again >= 0) return [...trail.slice(again), name];
    if (done.has(name)) return undefined;
    for (const next of routes[name]?.fallback_chain ?? []) {
      const found = visit(next, [...trail, name]);
      if (found) return found;
    }
    done.add(name);
    return undefined;
  };
  for (const name of Object.keys(routes)) {
    const found = visit(name, []);
    if (found) return found;
  }
  return undefined;
}
