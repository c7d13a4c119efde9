/** Providers and routes → what the gateway's renderer takes. Plain data in, plain data out. */
import type { Mappings } from "../../config/schema/mappings.ts";
import type { ProviderSettings } from "../../config/schema/providers.ts";
import type { Deployment } from "./render-litellm.ts";

/** How LiteLLM names a model of each kind of provider. */
const PREFIX: Record<ProviderSettings["type"], string> = {
  llama_cpp: "openai",
  vllm: "hosted_vllm",
  ollama: "ollama_chat",
  openai: "openai",
  anthropic: "anthropic",
  openai_compatible: "openai",
};
/** Kinds whose base URL ends in /v1; Ollama's and Anthropic's must not have it. */
const WITH_V1 = new Set<ProviderSettings["type"]>(["llama_cpp", "vllm", "openai", "openai_compatible"]);

/** The environment variable that holds a provider's key. */
export const keyVariableOf = (provider: string) => `PROVIDER_${provider.toUpperCase().replaceAll("-", "_")}_KEY`;

export function baseUrl(type: ProviderSettings["type"], url: string): string {
  const bare = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  return WITH_V1.has(type) ? `${bare}/v1` : bare;
}

/** `engines`: the base URLs of the engines that this program runs. */
export function deploymentsOf(
  routing: Mappings["routing"],
  providers: Record<string, ProviderSettings>,
  engines: Record<string, string>,
): Deployment[] {
  return Object.entries(routing.exact_matches).flatMap(([route, match]) => {
    const provider = providers[match.provider];
    if (!provider) return [];
    const name = match.model ?? route;
    const model = provider.models.find((one) => one.name === name);
    const url = engines[match.provider] ?? provider.url;
    const hasKey = provider.api_key !== undefined || engines[match.provider] !== undefined;
    return [
      {
        route,
        provider: match.provider,
        model: `${PREFIX[provider.type]}/${name}`,
        ...(url && { apiBase: baseUrl(provider.type, url) }),
        ...(hasKey && { keyVariable: keyVariableOf(match.provider) }),
        timeoutSeconds: provider.timeout_seconds,
        ...(model?.context_length && { contextLength: model.context_length }),
        ...(model?.max_output_tokens && { maxOutputTokens: model.max_output_tokens }),
      },
    ];
  });
}
