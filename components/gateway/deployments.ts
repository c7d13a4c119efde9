/** The routing table → what the gateway's renderer takes. Plain data in, plain data out. */
import { baseUrl, isEmbedding, litellmKind } from "../../config/litellm-kinds.ts";
import { type Answer, LONGEST_CHAIN, type Route, type RoutingTable } from "../../config/routing-table.ts";
import { CACHE_KEY, type Mappings } from "../../config/schema/mappings.ts";
import { keyVariableOf } from "../../config/schema/providers.ts";
import type { Deployment, GatewaySettings } from "./render-litellm.ts";

export interface GatewayInput {
  mappings: Mappings;
  table: RoutingTable;
  /** Base URLs of the engines that this program runs, by provider. */
  engines: Record<string, string>;
  clients: { name: string; models?: string[] | undefined }[];
  cacheHost: string;
}

export function gatewaySettings(input: GatewayInput): GatewaySettings {
  const { mappings, table, cacheHost } = input;
  const { routing, cache, litellm_settings } = mappings;
  const routes = [...table.routes.values()];
  /** A chain by the route's own name and by every alias: LiteLLM looks it up by the name that was asked. */
  const byName = (chain: (route: Route) => string[]) =>
    Object.fromEntries([
      ...routes.map((route) => [route.name, chain(route)]),
      ...[...table.aliases].map(([alias, name]) => [alias, chain(table.routes.get(name) as Route)]),
    ]);
  const prefix = CACHE_KEY.exec(cache.cache_key_pattern)?.[1];
  return {
    deployments: routes.flatMap((route) => route.answers.map((answer) => deployment(route, answer, input))),
    fallbacks: byName((route) => route.onError),
    contextWindowFallbacks: byName((route) => route.onContextWindow),
    contentPolicyFallbacks: byName((route) => route.onContentPolicy),
    aliases: Object.fromEntries(table.aliases),
    maxFallbacks: LONGEST_CHAIN + Math.max(...routes.map(({ answers }) => answers.at(-1)?.level ?? 0), 0),
    budgets: providerBudgets(input),
    cacheHost,
    cacheTtlSeconds: cache.ttl,
    ...(prefix && { cachePrefix: prefix }),
    retries: routing.retries,
    cooldownSeconds: routing.cooldown_seconds,
    ...(routing.allowed_fails !== undefined && { allowedFails: routing.allowed_fails }),
    callbacks: litellm_settings.callbacks,
  };
}

function deployment(route: Route, { upstream, level, weight }: Answer, input: GatewayInput): Deployment {
  const { settings, model, provider } = upstream;
  const { rate_limits: limits, timeouts } = settings;
  const url = input.engines[provider] ?? settings.url;
  const hasKey = settings.api_key !== undefined || input.engines[provider] !== undefined;
  const { aliases } = input.table;
  const restricted = input.clients.filter(({ models }) => models !== undefined);
  const allowed = restricted.filter(({ models }) => models?.some((name) => (aliases.get(name) ?? name) === route.name));
  return {
    route: route.name,
    id: upstream.id,
    model: `${litellmKind(settings.type, model)}/${model.upstream_name ?? model.name}`,
    mode: isEmbedding(model) ? "embedding" : "chat",
    ...(url && { apiBase: baseUrl(settings.type, url) }),
    ...(hasKey && { keyVariable: keyVariableOf(provider) }),
    ...(route.answers.length > 1 && { order: level, weight }),
    timeoutSeconds: timeouts.total_seconds,
    streamTimeoutSeconds: Math.max(timeouts.first_token_seconds, timeouts.idle_stream_seconds ?? 0),
    ...(limits?.rpm !== undefined && { rpm: limits.rpm }),
    ...(limits?.tpm !== undefined && { tpm: limits.tpm }),
    ...(upstream.maxParallelRequests !== undefined && { maxParallelRequests: upstream.maxParallelRequests }),
    ...(upstream.dailyBudgetUsd !== undefined && { dailyBudgetUsd: upstream.dailyBudgetUsd }),
    ...(model.prices && {
      prices: { input: model.prices.input_usd_per_million, output: model.prices.output_usd_per_million },
    }),
    ...(model.context_length && { contextLength: model.context_length }),
    ...(model.max_output_tokens && { maxOutputTokens: model.max_output_tokens }),
    cache: route.cache,
    ...(restricted.length > 0 && { clients: allowed.map(({ name }) => name) }),
  };
}

/** Budgets by LiteLLM's name of a provider's kind. That each kind has one provider is checked. */
function providerBudgets({ table }: GatewayInput): GatewaySettings["budgets"] {
  const budgets: GatewaySettings["budgets"] = {};
  for (const { answers } of table.routes.values()) {
    for (const { upstream } of answers) {
      const { budget, settings, model } = upstream;
      if (budget) budgets[litellmKind(settings.type, model)] = { limitUsd: budget.limit_usd, period: budget.period };
    }
  }
  return budgets;
}
