/** What a picture of a stack shows: boxes in groups, and who asks whom. */
import type { Settings } from "../config/settings.ts";

export interface Box {
  id: string;
  lines: string[];
  shape: "box" | "store" | "cloud" | "people";
}

export interface Group {
  id: string;
  title: string;
  boxes: Box[];
}

export interface Edge {
  from: string;
  to: string;
  label: string;
  /** Asked only when `from` fails. */
  fallback?: boolean;
}

export interface Picture {
  stack: string;
  clients: Box;
  groups: Group[];
  edges: Edge[];
}

/** Names on an arrow at most. */
const SHOWN = 4;
const few = (names: string[]) =>
  names.length > SHOWN ? [...names.slice(0, SHOWN), `… ${names.length - SHOWN} more`] : names;

export function pictureOf({ stack, hosts, placement, edge, clients, providers, table }: Settings): Picture {
  const groups: Group[] = [];
  const box = (name: string): Box => {
    const { type, models, status, failover_only } = providers[name] as Settings["providers"][string];
    const marks = [status !== "active" && status, failover_only && "failover only"].filter(Boolean).join(", ");
    const title = `${name} · ${type}${marks && ` (${marks})`}`;
    const lines = [title, ...few(models.map((model) => model.name))];
    return { id: `provider ${name}`, lines, shape: placement.providers[name] ? "box" : "cloud" };
  };
  for (const [name, host] of Object.entries(hosts)) {
    const engines = Object.entries(placement.providers).filter(([, where]) => where === name);
    const regions = new Set(engines.flatMap(([provider]) => providers[provider]?.region ?? []));
    const place = host.kind === "ssh" ? host.address : "this machine";
    const boxes: Box[] = engines.map(([provider]) => box(provider));
    if (name === placement.gateway) {
      boxes.unshift(
        { id: "edge", lines: ["edge · HAProxy", `${edge.bind}:${edge.port}`], shape: "box" },
        { id: "gateway", lines: ["gateway · LiteLLM"], shape: "box" },
        { id: "cache", lines: ["cache · Redis"], shape: "store" },
      );
    }
    if (boxes.length === 0) boxes.push({ id: `idle ${name}`, lines: ["(nothing yet)"], shape: "box" });
    const region = regions.size > 0 ? ` · ${[...regions].join(", ")}` : "";
    groups.push({ id: `host ${name}`, title: `${name} · ${place}${region}`, boxes });
  }
  const elsewhere = new Map<string, Box[]>();
  for (const [name, { engine, status, region }] of Object.entries(providers)) {
    if (engine || status === "disabled") continue;
    const title = region ?? "elsewhere";
    elsewhere.set(title, [...(elsewhere.get(title) ?? []), box(name)]);
  }
  for (const [region, boxes] of elsewhere) groups.push({ id: `region ${region}`, title: region, boxes });

  const edges: Edge[] = [
    { from: "clients", to: "edge", label: "" },
    { from: "edge", to: "gateway", label: "" },
    { from: "gateway", to: "cache", label: "" },
  ];
  const asked = new Map<string, string[]>();
  const fallbacks = new Map<string, string[]>();
  const add = (to: Map<string, string[]>, key: string, name: string) => {
    const names = to.get(key) ?? [];
    if (!names.includes(name)) to.set(key, [...names, name]);
  };
  for (const { name, answers, onError } of table.routes.values()) {
    for (const { upstream, level } of answers)
      add(asked, upstream.provider, level === 1 ? name : `${name} (${level}.)`);
    const own = new Set(answers.map(({ upstream }) => upstream.provider));
    for (const { upstream } of onError.flatMap((next) => table.routes.get(next)?.answers.slice(0, 1) ?? []))
      for (const from of own) if (!own.has(upstream.provider)) add(fallbacks, `${from}\n${upstream.provider}`, name);
  }
  for (const [provider, names] of asked)
    edges.push({ from: "gateway", to: `provider ${provider}`, label: few(names).join("\n") });
  for (const [pair, names] of fallbacks) {
    const [from, to] = pair.split("\n");
    const label = `when it fails:\n${few(names).join("\n")}`;
    edges.push({ from: `provider ${from}`, to: `provider ${to}`, label, fallback: true });
  }
  const lines = [`clients: ${few(clients.map(({ name }) => name)).join(", ")}`];
  return { stack, clients: { id: "clients", lines, shape: "people" }, groups, edges };
}
