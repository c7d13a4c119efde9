import type { VllmEngine } from "../../config/schema/engines.ts";

export const VLLM_PORT = 8001;

/** Where the engine's folders are in its container. */
export interface VllmFiles {
  model: string;
  speculative?: string;
  /** Adapter → folder. */
  lora: Record<string, string>;
}

/** `vllm serve`'s arguments. Its key comes from the environment (VLLM_API_KEY). */
export function renderVllm(engine: VllmEngine, served: string[], files: VllmFiles): string[] {
  const { speculative } = engine;
  const lora = Object.entries(files.lora);
  const flag = (name: string, on: boolean) => (on ? `--${name}` : `--no-${name}`);
  return [
    files.model,
    ...["--served-model-name", ...served],
    ...["--host", "0.0.0.0"], // inside the container; Docker publishes it on the private address only
    ...["--port", `${VLLM_PORT}`],
    ...["--tensor-parallel-size", `${engine.tensor_parallel}`],
    ...["--pipeline-parallel-size", `${engine.pipeline_parallel}`],
    ...(engine.context_length ? ["--max-model-len", `${engine.context_length}`] : []),
    ...["--gpu-memory-utilization", `${engine.gpu_memory_utilization}`],
    ...["--max-num-seqs", `${engine.parallel}`],
    ...(engine.max_batched_tokens ? ["--max-num-batched-tokens", `${engine.max_batched_tokens}`] : []),
    ...(engine.quantization ? ["--quantization", engine.quantization] : []),
    ...["--dtype", engine.dtype],
    ...["--kv-cache-dtype", engine.kv_cache_dtype],
    flag("enable-prefix-caching", engine.prefix_caching),
    flag("enable-chunked-prefill", engine.chunked_prefill),
    ...(lora.length > 0
      ? [
          ...["--enable-lora", "--max-lora-rank", `${engine.max_lora_rank}`],
          ...["--lora-modules", ...lora.map(([name, path]) => `${name}=${path}`)],
        ]
      : []),
    ...(engine.tool_parser ? ["--enable-auto-tool-choice", "--tool-call-parser", engine.tool_parser] : []),
    ...(engine.reasoning_parser ? ["--reasoning-parser", engine.reasoning_parser] : []),
    ...(speculative
      ? [
          "--speculative-config",
          JSON.stringify({
            method: speculative.method,
            ...(files.speculative && { model: files.speculative }),
            num_speculative_tokens: speculative.tokens,
          }),
        ]
      : []),
    ...engine.extra_args,
  ];
}
