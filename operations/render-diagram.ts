/** A picture of a stack, in Mermaid: hosts, what runs on them, who asks whom. */
import type { Mappings } from "../config/schema/mappings.ts";
import type { Providers } from "../config/schema/providers.ts";
import type { StackSettings } from "../config/schema/stack.ts";

export function renderDiagram(
  stack: string,
  settings: StackSettings,
  { providers }: Providers,
  { routing }: Mappings,
): string {
  const { hosts, placement, edge, clients } = settings;
  const id = (name: string) => name.replace(/[^A-Za-z0-9]/g, "_");
  const lines = ["flowchart LR", `  clients(["clients: ${clients.map(({ name }) => name).join(", ")}"])`];
  for (const [name, host] of Object.entries(hosts)) {
    const place = host.kind === "ssh" ? host.address : "this machine";
    lines.push(`  subgraph ${id(`host ${name}`)}["${name} · ${place}"]`);
    if (name === placement.gateway) {
      lines.push(
        `    edge["edge · HAProxy<br/>${edge.bind}:${edge.port}"]`,
        '    gateway["gateway · LiteLLM"]',
        '    cache[("cache · Redis")]',
      );
    }
    const engines = Object.entries(placement.providers).filter(([, where]) => where === name);
    for (const [provider] of engines) {
      const { type = "", models = [] } = providers[provider] ?? {};
      lines.push(`    ${id(provider)}["${provider} · ${type}<br/>${models.map((model) => model.name).join(", ")}"]`);
    }
    if (name !== placement.gateway && engines.length === 0) lines.push(`    ${id(`idle ${name}`)}["(nothing yet)"]`);
    lines.push("  end");
  }
  const routed = new Set(Object.values(routing.exact_matches).map((match) => match.provider));
  for (const [name, provider] of Object.entries(providers)) {
    if (!provider.engine && routed.has(name))
      lines.push(
        `  ${id(name)}[/"${name} · ${provider.type}<br/>${provider.models.map((model) => model.name).join(", ")}"/]`,
      );
  }
  lines.push("  clients --> edge --> gateway", "  gateway --- cache");
  for (const name of routed) {
    const routes = Object.entries(routing.exact_matches).filter(([, match]) => match.provider === name);
    lines.push(`  gateway -- "${routes.map(([route]) => route).join(", ")}" --> ${id(name)}`);
  }
  const fallbacks = new Set<string>();
  for (const [, { provider, fallback_chain }] of Object.entries(routing.exact_matches)) {
    const next = routing.exact_matches[fallback_chain[0] ?? ""]?.provider;
    if (next && next !== provider) fallbacks.add(`  ${id(provider)} -. "when it fails" .-> ${id(next)}`);
  }
  lines.push(...fallbacks);
  return `%% stack ${stack}, made by npm run diagram\n${lines.join("\n")}\n`;
}
