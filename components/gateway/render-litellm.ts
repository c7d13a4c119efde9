/** LiteLLM's configuration: plain data in, YAML out. Secrets appear as references only. */
import { stringify } from "yaml";

export interface Deployment {
  /** The name a client asks for. */
  route: string;
  provider: string;
  /** The model in LiteLLM's form, as `openai/gpt-4o`. */
  model: string;
  apiBase?: string;
  /** Name of the environment variable that holds the key. */
  keyVariable?: string;
  timeoutSeconds: number;
  contextLength?: number;
  maxOutputTokens?: number;
}

export interface GatewaySettings {
  deployments: Deployment[];
  /** Route → the routes asked after it, in order. */
  fallbacks: Record<string, string[]>;
  cacheHost: string;
  cacheTtlSeconds: number;
  retries: number;
  cooldownSeconds: number;
  allowedFails: number;
}

const reference = (variable: string) => `os.environ/${variable}`;

export function renderLitellm(settings: GatewaySettings): string {
  const config = {
    model_list: settings.deployments.map((one) => ({
      model_name: one.route,
      litellm_params: {
        model: one.model,
        ...(one.apiBase && { api_base: one.apiBase }),
        ...(one.keyVariable && { api_key: reference(one.keyVariable) }),
        timeout: one.timeoutSeconds,
        // Waiting for the first token of a stream: an engine that hangs must not hold a caller.
        stream_timeout: Math.min(one.timeoutSeconds, 60),
        // Retries are the router's: one place, counted.
        max_retries: 0,
      },
      model_info: {
        // Stable, so that metrics and cooldowns survive a new configuration.
        id: `${one.route}@${one.provider}`,
        mode: "chat",
        ...(one.contextLength && { max_input_tokens: one.contextLength }),
        ...(one.maxOutputTokens && { max_output_tokens: one.maxOutputTokens }),
      },
    })),
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
      },
      json_logs: true,
      telemetry: false,
    },
    router_settings: {
      routing_strategy: "simple-shuffle",
      num_retries: settings.retries,
      // Always said: without it a group of one deployment never cools down, and an outage costs seconds a request.
      allowed_fails: settings.allowedFails,
      cooldown_time: settings.cooldownSeconds,
      fallbacks: Object.entries(settings.fallbacks)
        .filter(([, chain]) => chain.length > 0)
        .map(([route, chain]) => ({ [route]: chain })),
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
  return stringify(config, { lineWidth: 0, aliasDuplicateObjects: false });
}
