/** The routing table as a caller sees it, in few words a line: for the stack's output, and to compare two of them. */
import { type Answer, commonCapabilities, type Route, type RoutingTable, shortestContext } from "./routing-table.ts";

export interface CompactRoute {
  /** One a deployment, in the order asked: `1. tiny@llama (llama_cpp, host gpu1, region home)`. */
  answers: string[];
  on_error?: string[];
  on_context_window?: string[];
  on_content_policy?: string[];
  aliases?: string[];
  limits?: string[];
  prices?: string[];
  /** Tokens that every answer has. */
  context_length?: number;
  /** What every answer can do. */
  capabilities?: string[];
  cache?: false;
}

/** Host of a managed provider; nothing for one that runs elsewhere. */
export type HostOf = (provider: string) => string | undefined;

/** `60 rpm`, `2 at once`, `10 USD a day`. */
function limitsOf({ upstream }: Answer): string[] {
  const { settings, maxParallelRequests, dailyBudgetUsd, budget } = upstream;
  const { rpm, tpm } = settings.rate_limits ?? {};
  return [
    ...(rpm === undefined ? [] : [`${rpm} rpm`]),
    ...(tpm === undefined ? [] : [`${tpm} tpm`]),
    ...(maxParallelRequests === undefined ? [] : [`${maxParallelRequests} at once`]),
    ...(dailyBudgetUsd === undefined ? [] : [`${dailyBudgetUsd} USD a day`]),
    ...(budget === undefined ? [] : [`${budget.limit_usd} USD a ${budget.period} at ${upstream.provider}`]),
  ];
}

/** `2.5 USD a million tokens in`, `10 out`. */
function priceOf({ upstream }: Answer): string[] {
  const { prices } = upstream.model;
  if (!prices) return [];
  return [`${prices.input_usd_per_million} USD a million tokens in`, `${prices.output_usd_per_million} out`];
}

/** `llama_cpp, host gpu1, region home, 5 %`. */
function placeOf(answer: Answer, route: Route, hostOf: HostOf): string {
  const { settings, provider } = answer.upstream;
  const host = hostOf(provider);
  const level = route.answers.filter((other) => other.level === answer.level);
  const sum = level.reduce((total, { weight }) => total + weight, 0);
  const share = level.length > 1 && `${Number(((answer.weight / sum) * 100).toFixed(1))} %`;
  return [
    settings.type,
    host && `host ${host}`,
    settings.region && `region ${settings.region}`,
    settings.failover_only && "failover only",
    share,
  ]
    .filter(Boolean)
    .join(", ");
}

export function compactRoutes(table: RoutingTable, hostOf: HostOf): Record<string, CompactRoute> {
  const aliases = new Map<string, string[]>();
  for (const [alias, name] of table.aliases) aliases.set(name, [...(aliases.get(name) ?? []), alias]);
  return Object.fromEntries(
    [...table.routes.values()].map((route) => {
      const each = (texts: (answer: Answer) => readonly (string | number)[]) =>
        route.answers.flatMap((answer) => texts(answer).map((text) => `${answer.upstream.id}: ${text}`));
      const context = shortestContext(route);
      const lists = {
        on_error: route.onError,
        on_context_window: route.onContextWindow,
        on_content_policy: route.onContentPolicy,
        aliases: aliases.get(route.name) ?? [],
        limits: each(limitsOf),
        prices: each(priceOf),
        capabilities: commonCapabilities(route),
      };
      const compact: CompactRoute = {
        answers: route.answers.map(
          (answer) => `${answer.level}. ${answer.upstream.id} (${placeOf(answer, route, hostOf)})`,
        ),
        ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
        ...(context !== undefined && { context_length: context }),
        ...(!route.cache && { cache: false as const }),
      };
      return [route.name, compact];
    }),
  );
}
