import type { OllamaEngine } from "../../config/schema/engines.ts";

export const OLLAMA_PORT = 11434;
/** Where its models are in the container. */
export const OLLAMA_STORE = "/var/lib/ollama";

/** Ollama's environment: it has no command line to speak of. */
export function renderOllama(engine: OllamaEngine): Record<string, string> {
  return {
    HOME: "/tmp",
    OLLAMA_HOST: `0.0.0.0:${OLLAMA_PORT}`, // inside the container; Docker publishes it on the private address only
    OLLAMA_MODELS: OLLAMA_STORE,
    OLLAMA_KEEP_ALIVE: engine.keep_alive,
    OLLAMA_NUM_PARALLEL: `${engine.parallel}`,
    OLLAMA_MAX_LOADED_MODELS: `${engine.max_loaded_models}`,
    OLLAMA_MAX_QUEUE: `${engine.max_queue}`,
    OLLAMA_CONTEXT_LENGTH: `${engine.context_length}`,
    OLLAMA_FLASH_ATTENTION: engine.flash_attention ? "1" : "0",
    OLLAMA_KV_CACHE_TYPE: engine.kv_cache_type,
    // Blobs of a pull that broke off must survive a restart: the next one goes on with them.
    OLLAMA_NOPRUNE: "1",
    ...engine.extra_env,
  };
}

/** A model that must be there. */
export type OllamaWish = { name: string; insecure: boolean } | { name: string; modelfile: string; digest: string };

/** What the host's model tool reads: one line a model, a Modelfile after its line. */
export function renderOllamaPlan(wishes: OllamaWish[]): string {
  return wishes
    .map((wish) => {
      if ("insecure" in wish) return `pull ${wish.name}${wish.insecure ? " --insecure" : ""}\n`;
      const bytes = new TextEncoder().encode(wish.modelfile).length;
      return `create ${wish.name} ${bytes} ${wish.digest}\n${wish.modelfile}\n`;
    })
    .join("");
}
