/** How LiteLLM names a model of each kind of provider. Budgets of providers are counted by these names. */
import { capabilitiesOf, type ModelSettings, type ProviderSettings } from "./schema/providers.ts";

/**
 * Only OpenAI itself is `openai`: everything else that speaks its language has another name,
 * or it would be counted in OpenAI's budget.
 */
const CHAT: Record<ProviderSettings["type"], string> = {
  llama_cpp: "custom_openai",
  vllm: "hosted_vllm",
  ollama: "ollama_chat",
  openai: "openai",
  anthropic: "anthropic",
  openai_compatible: "custom_openai",
};
/** Kinds for which LiteLLM makes no embeddings, and the one that does it for them. */
const EMBEDDING: Partial<Record<ProviderSettings["type"], string>> = {
  llama_cpp: "openai_like",
  openai_compatible: "openai_like",
  ollama: "ollama",
};

/** A model that can embed and do nothing else is asked for embeddings. */
export const isEmbedding = (model: ModelSettings) => {
  const can = capabilitiesOf(model);
  return can.includes("embedding") && !can.includes("chat") && !can.includes("completion");
};

export function litellmKind(type: ProviderSettings["type"], model: ModelSettings): string {
  return (isEmbedding(model) ? EMBEDDING[type] : undefined) ?? CHAT[type];
}

export const litellmKinds = ({ type, models }: ProviderSettings): string[] => [
  ...new Set(models.map((model) => litellmKind(type, model))),
];

/** Kinds whose base URL ends in /v1; Ollama's and Anthropic's must not have it. */
const WITH_V1 = new Set<ProviderSettings["type"]>(["llama_cpp", "vllm", "openai", "openai_compatible"]);

export function baseUrl(type: ProviderSettings["type"], url: string): string {
  const bare = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  return WITH_V1.has(type) ? `${bare}/v1` : bare;
}
