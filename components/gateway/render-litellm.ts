/** LiteLLM's configuration: plain data in, YAML out. Secrets appear as references only. */
import { Document, type ScalarTag } from "yaml";
import { clientTag, UNRESTRICTED } from "./client-tag.ts";

export interface Deployment {
  /** The name a client asks for. */
  route: string;
  /** `model@provider`. The same in two routes: limits, budgets and cooldowns are counted once. */
  id: string;
  /** The model in LiteLLM's form, as `openai/gpt-4o`. */
  model: string;
  mode: "chat" | "embedding";
  apiBase?: string;
  /** Name of the environment variable that holds the key. */
  keyVariable?: string;
  /** 1 is asked first. Left out where the route has one deployment. */
  order?: number;
  /** Share of the requests of its order. Left out where the route has one deployment. */
  weight?: number;
  timeoutSeconds: number;
  /** Until a stream's first token, and between two of its tokens. */
  streamTimeoutSeconds: number;
  rpm?: number;
  tpm?: number;
  maxParallelRequests?: number;
  dailyBudgetUsd?: number;
  /** US dollars for a million tokens. */
  prices?: { input: number; output: number };
  contextLength?: number;
  maxOutputTokens?: number;
  /** false: its answers are neither kept nor taken from the cache. */
  cache: boolean;
  /** Clients that may use it; left out: all. */
  clients?: string[];
}

export interface GatewaySettings {
  deployments: Deployment[];
  /** Route → the routes asked after it, in order. */
  fallbacks: Record<string, string[]>;
  contextWindowFallbacks: Record<string, string[]>;
  contentPolicyFallbacks: Record<string, string[]>;
  /** Another name → the route it means. */
  aliases: Record<string, string>;
  /** Fallbacks at most, levels of a route included. */
  maxFallbacks: number;
  /** LiteLLM's name of a kind of provider → what it may cost. */
  budgets: Record<string, { limitUsd: number; period: string }>;
  cacheHost: string;
  cacheTtlSeconds: number;
  /** Before every key in the cache. Default: nothing. */
  cachePrefix?: string;
  retries: number;
  cooldownSeconds: number;
  /** Failures a minute before a cooldown. Default: by share. */
  allowedFails?: number;
  callbacks: string[];
}

const reference = (variable: string) => `os.environ/${variable}`;

/** LiteLLM's YAML reader takes 1e-7 for a text: numbers are written out. */
const decimal: ScalarTag = {
  tag: "tag:yaml.org,2002:float",
  default: true,
  identify: (value) => typeof value === "number" && !Number.isInteger(value),
  test: /^[-+]?[0-9]+\.[0-9]+$/,
  resolve: Number,
  stringify: ({ value }) => {
    const text = (value as number).toFixed(15).replace(/0+$/, "");
    return text.endsWith(".") ? `${text}0` : text;
  },
};

function renderDeployment(one: Deployment, tagged: boolean) {
  return {
    model_name: one.route,
    litellm_params: {
      model: one.model,
      ...(one.apiBase && { api_base: one.apiBase }),
      ...(one.keyVariable && { api_key: reference(one.keyVariable) }),
      ...(one.order !== undefined && { order: one.order }),
      // Always said among several: else LiteLLM takes rpm or tpm for the weight.
      ...(one.weight !== undefined && { weight: one.weight }),
      timeout: one.timeoutSeconds,
      // An engine that hangs must not hold a caller.
      stream_timeout: one.streamTimeoutSeconds,
      // Retries are the router's: one place, counted.
      max_retries: 0,
      ...(one.rpm !== undefined && { rpm: one.rpm }),
      ...(one.tpm !== undefined && { tpm: one.tpm }),
      ...(one.maxParallelRequests !== undefined && { max_parallel_requests: one.maxParallelRequests }),
      ...(one.dailyBudgetUsd !== undefined && { max_budget: one.dailyBudgetUsd, budget_duration: "1d" }),
      ...(one.prices && {
        input_cost_per_token: one.prices.input / 1e6,
        output_cost_per_token: one.prices.output / 1e6,
      }),
      ...(!one.cache && { cache: { "no-cache": true, "no-store": true } }),
      ...(tagged && { tags: [UNRESTRICTED, ...(one.clients ?? []).map(clientTag)] }),
    },
    model_info: {
      // Stable, so that metrics and cooldowns survive a new configuration.
      id: one.id,
      mode: one.mode,
      ...(one.contextLength && { max_input_tokens: one.contextLength }),
      ...(one.maxOutputTokens && { max_output_tokens: one.maxOutputTokens }),
    },
  };
}

export function renderLitellm(settings: GatewaySettings): string {
  const tagged = settings.deployments.some(({ clients }) => clients !== undefined);
  const chains = (by: Record<string, string[]>) =>
    Object.entries(by)
      .filter(([, chain]) => chain.length > 0)
      .map(([route, chain]) => ({ [route]: chain }));
  const budgets = Object.entries(settings.budgets).map(([kind, { limitUsd, period }]) => [
    kind,
    { budget_limit: limitUsd, time_period: period },
  ]);
  const limited = settings.deployments.some(({ rpm, tpm }) => rpm !== undefined || tpm !== undefined);
  const config = {
    model_list: settings.deployments.map((one) => renderDeployment(one, tagged)),
    litellm_settings: {
      // A parameter an engine does not know is left out instead of failing the request.
      drop_params: true,
      cache: true,
      cache_params: {
        type: "redis",
        // Host and port, never a URL: with a URL a dead Redis held every request (BerriAI/litellm#35273).
        host: settings.cacheHost,
        port: 6379,
        password: reference("REDIS_PASSWORD"),
        ttl: settings.cacheTtlSeconds,
        ...(settings.cachePrefix && { namespace: settings.cachePrefix }),
      },
      // A count that is LiteLLM's own default, 3, is taken for none: its default is moved out of the way.
      ...(settings.allowedFails !== undefined && { allowed_fails: -1 }),
      ...(settings.callbacks.length > 0 && { callbacks: settings.callbacks }),
      json_logs: true,
    },
    router_settings: {
      routing_strategy: "simple-shuffle",
      num_retries: settings.retries,
      // A count cools down what fails now and then, and then nobody is left: without it LiteLLM goes by share.
      ...(settings.allowedFails !== undefined && { allowed_fails: settings.allowedFails }),
      cooldown_time: settings.cooldownSeconds,
      max_fallbacks: settings.maxFallbacks,
      fallbacks: chains(settings.fallbacks),
      // Lists, even empty ones: with none LiteLLM takes the chain for errors, and asks models that cannot help.
      context_window_fallbacks: chains(settings.contextWindowFallbacks),
      content_policy_fallbacks: chains(settings.contentPolicyFallbacks),
      ...(Object.keys(settings.aliases).length > 0 && { model_group_alias: settings.aliases }),
      // Without it rpm and tpm are weights, and no limits.
      ...(limited && { optional_pre_call_checks: ["enforce_model_rate_limits"] }),
      ...(budgets.length > 0 && { provider_budget_config: Object.fromEntries(budgets) }),
      ...(tagged && { enable_tag_filtering: true }),
      redis_host: settings.cacheHost,
      redis_port: 6379,
      redis_password: reference("REDIS_PASSWORD"),
    },
    general_settings: {
      master_key: reference("LITELLM_MASTER_KEY"),
      // Rows of a database would override this file.
      store_model_in_db: false,
    },
  };
  const document = new Document(config, { customTags: (tags) => [decimal, ...tags], aliasDuplicateObjects: false });
  return document.toString({ lineWidth: 0 });
}
