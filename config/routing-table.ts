/**
 * Who answers which name, in which order, within which limits: what the gateway's renderer,
 * `npm run routes`, the stack's output and the diagram are made from.
 */
import type { Mappings, Match } from "./schema/mappings.ts";
import { type Capability, capabilitiesOf, type ModelSettings, type ProviderSettings } from "./schema/providers.ts";

/** A model at a provider. The same one in two routes has the same id, so limits and cooldowns are counted once. */
export interface Upstream {
  /** `model@provider`. */
  id: string;
  provider: string;
  /** The model's settings in providers.yaml. */
  model: ModelSettings;
  settings: ProviderSettings;
  /** `max_parallel_requests` of the provider or the model, whichever is less. */
  maxParallelRequests?: number;
  /** US dollars a day. */
  dailyBudgetUsd?: number;
  /** What the provider may cost: its own budget, or the overall one where it is the only one that costs. */
  budget?: { limit_usd: number; period: string };
}

/** An upstream's place in a route. */
export interface Answer {
  upstream: Upstream;
  /** 1 is asked first; the next level when all of it fail, are at their limits, or out of budget. */
  level: number;
  /** Share among the answers of its level. */
  weight: number;
}

export interface Route {
  name: string;
  kind: "exact" | "capability";
  /** By level. */
  answers: Answer[];
  /** Other routes asked in this order, chains of chains included. */
  onError: string[];
  onContextWindow: string[];
  onContentPolicy: string[];
  cache: boolean;
  /** The fallback whose answers it uses, since its own providers are draining. */
  standsIn?: string;
}

export interface RoutingTable {
  routes: Map<string, Route>;
  /** Another name → the route it means; `default` among them. */
  aliases: Map<string, string>;
  /** The route that answers to `default`. */
  first: string;
}

export interface RoutingInput {
  routing: Mappings["routing"];
  budgets: Pick<Mappings["litellm_settings"], "model_limits" | "max_budget" | "budget_duration">;
  providers: Record<string, ProviderSettings>;
}

export const capabilityRoute = (capability: string) => `capability/${capability}`;

/** Levels from 1 without gaps, from whatever the answers are ordered by. */
function levels<T>(items: T[], key: (item: T) => number[]): { item: T; level: number }[] {
  const ranked = items.map((item) => ({ item, rank: key(item) }));
  const compare = (a: number[], b: number[]) =>
    a.reduce((result, value, i) => (result !== 0 ? result : value - (b[i] ?? 0)), 0);
  ranked.sort((a, b) => compare(a.rank, b.rank));
  let level = 0;
  let last: number[] | undefined;
  return ranked.map(({ item, rank }) => {
    if (!last || compare(rank, last) !== 0) level++;
    last = rank;
    return { item, level };
  });
}

export function routingTable({ routing, budgets, providers }: RoutingInput): RoutingTable {
  const upstreams = new Map<string, Upstream>();
  const serving = new Map<string, string[]>();
  for (const [provider, settings] of Object.entries(providers)) {
    if (settings.status !== "active") continue;
    for (const model of settings.models) {
      const id = `${model.name}@${provider}`;
      const limits = Object.hasOwn(budgets.model_limits, model.name) ? budgets.model_limits[model.name] : undefined;
      const parallel = [settings.rate_limits?.max_parallel_requests, limits?.max_parallel_requests].filter(
        (limit) => limit !== undefined,
      );
      upstreams.set(id, {
        id,
        provider,
        model,
        settings,
        ...(parallel.length > 0 && { maxParallelRequests: Math.min(...parallel) }),
        ...(limits?.max_budget_per_day !== undefined && { dailyBudgetUsd: limits.max_budget_per_day }),
        ...(settings.budget && { budget: settings.budget }),
      });
      const known = serving.get(model.name);
      if (known) known.push(provider);
      else serving.set(model.name, [provider]);
    }
  }
  const upstreamsOf = (model: string, asked: string[] | undefined): Upstream[] =>
    (asked ?? serving.get(model) ?? []).flatMap((provider) => upstreams.get(`${model}@${provider}`) ?? []);
  const place = ({ settings }: Upstream) => [settings.failover_only ? 1 : 0, settings.priority];

  const own = (name: string, match: Match): Answer[] => {
    const model = match.model ?? name;
    if (match.weights) {
      return Object.entries(match.weights)
        .filter(([, weight]) => weight > 0)
        .flatMap(([provider, weight]) =>
          upstreamsOf(model, [provider]).map((upstream) => ({ upstream, level: 1, weight })),
        );
    }
    const found = upstreamsOf(model, match.provider === undefined ? undefined : [match.provider]);
    return levels(found, place).map(({ item, level }) => ({ upstream: item, level, weight: 1 }));
  };

  const routes = new Map<string, Route>();
  const matches = new Map(Object.entries(routing.exact_matches));
  for (const [name, match] of matches) {
    const answers = own(name, match);
    const onError = flatten(name, matches);
    routes.set(name, {
      name,
      kind: "exact",
      answers,
      onError,
      onContextWindow: match.context_window_fallbacks ?? [],
      onContentPolicy: match.content_policy_fallbacks ?? [],
      cache: match.cache,
    });
  }
  for (const [capability, entries] of Object.entries(routing.capability_routing)) {
    const found = entries.flatMap(({ model, provider, priority }) =>
      upstreamsOf(model, provider === undefined ? undefined : [provider]).map((upstream) => ({ upstream, priority })),
    );
    const unique = [...new Map(found.map((one) => [one.upstream.id, one])).values()];
    const answers = levels(unique, ({ upstream, priority }) => [priority, ...place(upstream)]).map(
      ({ item, level }) => ({ upstream: item.upstream, level, weight: 1 }),
    );
    const name = capabilityRoute(capability);
    const empty = { onError: [], onContextWindow: [], onContentPolicy: [] };
    routes.set(name, { name, kind: "capability", answers, ...empty, cache: true });
  }
  // Only now every route has its own answers, so that one can look at those of another.
  for (const [name, match] of matches) {
    const route = routes.get(name) as Route;
    if (route.answers.length === 0) {
      const standIn = route.onError.find((next) => (routes.get(next)?.answers.length ?? 0) > 0);
      if (standIn !== undefined) {
        route.answers = (routes.get(standIn) as Route).answers;
        route.standsIn = standIn;
      }
    }
    if (!match.context_window_fallbacks) {
      const length = shortestContext(route);
      const longer = (next: string) => {
        const other = routes.get(next);
        const theirs = other && shortestContext(other);
        return length !== undefined && theirs !== undefined && theirs > length;
      };
      route.onContextWindow = route.onError.filter(longer);
    }
  }
  const first = routing.default_model ?? [...matches.keys()][0] ?? "";
  const aliases = new Map(Object.entries(routing.aliases));
  if (!routes.has("default") && !aliases.has("default") && routes.has(first)) aliases.set("default", first);
  const table = { routes, aliases, first };
  const paying = [...payingProviders(table).values()];
  const [only] = paying;
  if (budgets.max_budget !== undefined && only && paying.length === 1) {
    const overall = { limit_usd: budgets.max_budget, period: budgets.budget_duration };
    for (const upstream of only) upstream.budget ??= overall;
  }
  return table;
}

/** Clouds cost by LiteLLM's price list; everything else by the prices it says. */
export const costs = ({ type, models }: ProviderSettings) =>
  type === "openai" || type === "anthropic" || models.some(({ prices }) => prices !== undefined);

/** Providers that cost, among those that routes lead to. */
export function payingProviders({ routes }: Pick<RoutingTable, "routes">): Map<string, Upstream[]> {
  const paying = new Map<string, Set<Upstream>>();
  for (const { answers } of routes.values()) {
    for (const { upstream } of answers) {
      if (!costs(upstream.settings)) continue;
      const known = paying.get(upstream.provider) ?? new Set<Upstream>();
      paying.set(upstream.provider, known.add(upstream));
    }
  }
  return new Map([...paying].map(([provider, upstreams]) => [provider, [...upstreams]]));
}

/** Longer chains help nobody: each link is another wait for the caller. The checks refuse them. */
export const LONGEST_CHAIN = 20;

/**
 * A chain with the chains of its members, each once: depth first, as LiteLLM walks them. A
 * circle ends where it closes.
 */
export function flatten(name: string, matches: ReadonlyMap<string, Match>): string[] {
  const order = new Set<string>();
  // A stack of our own: a chain may be as long as the file.
  const pending = [...(matches.get(name)?.fallback_chain ?? [])].reverse();
  while (pending.length > 0 && order.size <= LONGEST_CHAIN) {
    const next = pending.pop() as string;
    if (next === name || order.has(next)) continue;
    order.add(next);
    pending.push(...[...(matches.get(next)?.fallback_chain ?? [])].reverse());
  }
  return [...order];
}

/** Tokens of context that every answer of a route has; unknown when one does not say. */
export function shortestContext({ answers }: Route): number | undefined {
  let least: number | undefined;
  for (const { upstream } of answers) {
    const length = upstream.model.context_length;
    if (length === undefined) return undefined;
    if (least === undefined || length < least) least = length;
  }
  return least;
}

/** What every answer of a route can do. */
export function commonCapabilities({ answers }: Route): Capability[] {
  const [first, ...rest] = answers.map(({ upstream }) => capabilitiesOf(upstream.model));
  return (first ?? []).filter((capability) => rest.every((other) => other.includes(capability)));
}
