import type { LlamaCppEngine } from "../../config/schema/engines.ts";

export const LLAMA_PORT = 8080;

/** Where the engine's files are in its container. */
export interface LlamaCppFiles {
  model: string;
  mmproj?: string;
  draft?: string;
}

/** llama-server's arguments. Its key comes from the environment (LLAMA_API_KEY). */
export function renderLlamaCpp(engine: LlamaCppEngine, alias: string, files: LlamaCppFiles): string[] {
  const { draft } = engine;
  return [
    ...["--model", files.model],
    ...["--alias", alias],
    ...["--host", "0.0.0.0"], // inside the container; Docker publishes it on the private address only
    ...["--port", `${LLAMA_PORT}`],
    // llama-server divides its context among the slots.
    ...["--ctx-size", `${engine.context_length * engine.parallel}`],
    ...["--parallel", `${engine.parallel}`],
    ...["--n-gpu-layers", `${engine.gpu_layers}`],
    ...["--flash-attn", engine.flash_attention],
    ...["--cache-type-k", engine.cache_type_k],
    ...["--cache-type-v", engine.cache_type_v],
    ...(engine.batch_size ? ["--batch-size", `${engine.batch_size}`] : []),
    ...(engine.ubatch_size ? ["--ubatch-size", `${engine.ubatch_size}`] : []),
    ...(engine.threads ? ["--threads", `${engine.threads}`] : []),
    ...(files.mmproj ? ["--mmproj", files.mmproj] : []),
    ...(engine.embeddings ? ["--embeddings"] : []),
    ...(engine.pooling ? ["--pooling", engine.pooling] : []),
    ...(draft && files.draft
      ? [
          ...["--spec-type", "draft-simple", "--spec-draft-model", files.draft],
          ...["--spec-draft-n-max", `${draft.max_tokens}`, "--spec-draft-ngl", `${draft.gpu_layers}`],
        ]
      : []),
    "--metrics",
    engine.jinja ? "--jinja" : "--no-jinja",
    "--no-webui",
    ...engine.extra_args,
  ];
}
