/** Money and limits: what is promised must be what the gateway can count. */
import { litellmKinds } from "../litellm-kinds.ts";
import type { Report } from "../problems.ts";
import { costs, payingProviders, type RoutingTable, type Upstream } from "../routing-table.ts";
import type { Mappings } from "../schema/mappings.ts";
import type { ProviderSettings } from "../schema/providers.ts";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const CENT = 0.01;

export const periodSeconds = (period: string) =>
  Number(period.slice(0, -1)) * SECONDS[period.at(-1) as keyof typeof SECONDS];

export function checkProviderBudgets(providers: Record<string, ProviderSettings>, report: Report): void {
  const active = Object.entries(providers).filter(([, { status }]) => status === "active");
  for (const [name, provider] of active) {
    if (!provider.budget) continue;
    const path = ["providers", name, "budget"];
    if (!costs(provider)) report(path, "nothing it serves has a price, so nothing would be counted", "add prices");
    const kinds = litellmKinds(provider);
    if (kinds.length > 1) {
      const message = "the gateway would count its embeddings apart from the rest";
      report(path, message, "make two providers of it, or use model_limits with max_budget_per_day");
    }
    const other = active.find(([one, its]) => one !== name && litellmKinds(its).some((kind) => kinds.includes(kind)));
    if (other) {
      const message = `the gateway counts budgets by kind, and "${other[0]}" is of the same kind`;
      report(path, message, "use model_limits with max_budget_per_day in model-mappings.yaml");
    }
  }
}

export function checkBudgets(
  { litellm_settings }: Mappings,
  providers: Record<string, ProviderSettings>,
  table: RoutingTable,
  report: Report,
): void {
  const { max_budget, budget_duration, model_limits } = litellm_settings;
  const paying = payingProviders(table);
  const at = ["litellm_settings", "max_budget"];
  if (max_budget !== undefined) {
    const overall = periodSeconds(budget_duration);
    const open = [...paying.keys()].filter((name) => !providers[name]?.budget);
    const parts = [...paying.keys()].flatMap((name) => {
      const budget = providers[name]?.budget;
      return budget ? [{ name, usd: (budget.limit_usd * overall) / periodSeconds(budget.period) }] : [];
    });
    const sum = parts.reduce((total, { usd }) => total + usd, 0);
    if (paying.size === 0)
      report(at, "nothing that is routed costs anything, so nothing would be counted", "remove it, or add prices");
    else if (paying.size > 1 && open.length > 0) {
      const message = `the gateway counts by provider, and ${open.join(", ")} ${open.length > 1 ? "have" : "has"} no part of it`;
      report(at, message, "give each a budget in providers.yaml; together at most this");
    } else if (sum > max_budget + CENT) {
      const each = parts.map(({ name, usd }) => `${name} ${usd.toFixed(2)}`).join(" + ");
      report(at, `is less than the providers' budgets together: ${each}`, "lower them, or raise it");
    } else if (paying.size === 1 && open.length === 1) {
      const kinds = litellmKinds(providers[open[0] as string] as ProviderSettings);
      const shares = Object.entries(providers).some(
        ([name, one]) =>
          name !== open[0] && one.status === "active" && litellmKinds(one).some((k) => kinds.includes(k)),
      );
      if (kinds.length > 1 || shares)
        report(at, `the gateway cannot count "${open[0]}" alone`, "use model_limits with max_budget_per_day");
    }
  }
  for (const [model, limits] of Object.entries(model_limits)) {
    const path = ["litellm_settings", "model_limits", model];
    const all = new Map<string, Upstream>();
    for (const { answers } of table.routes.values())
      for (const { upstream } of answers) if (upstream.model.name === model) all.set(upstream.provider, upstream);
    const parallel = limits.max_parallel_requests;
    const lower = [...all.values()].filter(
      ({ settings }) => parallel !== undefined && (settings.rate_limits?.max_parallel_requests ?? parallel) < parallel,
    );
    if (parallel !== undefined && all.size > 0 && lower.length === all.size) {
      const own = lower.map(({ provider, settings }) => `${provider} ${settings.rate_limits?.max_parallel_requests}`);
      report([...path, "max_parallel_requests"], `is above the provider's own: ${own.join(", ")}`, "lower it");
    }
    if (limits.max_budget_per_day === undefined) continue;
    const day = [...path, "max_budget_per_day"];
    if (all.size > 0 && ![...all.values()].some(({ settings }) => costs(settings)))
      report(day, "the model has no price, so nothing would be counted", "add prices in providers.yaml");
    if (all.size > 1) {
      const message = `counts at each provider: ${all.size} serve it, so up to ${all.size} times as much`;
      report(day, message, "divide it by their number, or accept it", "warning");
    }
    for (const { provider, settings } of all.values()) {
      const { budget } = settings;
      if (!budget || limits.max_budget_per_day <= budget.limit_usd) continue;
      report(day, `is more than all that "${provider}" may cost, ${budget.limit_usd} USD`, "lower it");
    }
  }
}
