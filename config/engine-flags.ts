/**
 * Which flags the engines know, read from the engines themselves (tools/engine-flags), and which
 * of them a setting owns: those may not come in through `extra_args`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Node warns of every imported JSON module, in the middle of a preview. */
const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "engine-flags", name), "utf8"));
const llamaServer: { version: string; flags: string[] } = read("llama-server.json");
const vllm: { version: string; flags: string[] } = read("vllm.json");

export interface FlagList {
  engine: string;
  version: string;
  known: readonly string[];
  /** Flag → the setting to use instead. */
  owned: Record<string, string>;
}

const PROGRAM = "this program: placement and keys follow from it";

export const FLAGS: { llama_cpp: FlagList; vllm: FlagList } = {
  llama_cpp: {
    engine: "llama-server",
    version: llamaServer.version,
    known: llamaServer.flags,
    owned: {
      ...owned(PROGRAM, "--host", "--port", "--api-key", "--api-key-file", "--alias", "-a", "--metrics", "--no-webui"),
      ...owned("model", "--model", "-m", "--model-url", "-mu", "--hf-repo", "-hf", "-hfr", "--hf-file", "-hff"),
      ...owned("context_length", "--ctx-size", "-c"),
      ...owned("parallel", "--parallel", "-np"),
      ...owned("gpu_layers", "--n-gpu-layers", "--gpu-layers", "-ngl"),
      ...owned("flash_attention", "--flash-attn", "-fa"),
      ...owned("cache_type_k", "--cache-type-k", "-ctk"),
      ...owned("cache_type_v", "--cache-type-v", "-ctv"),
      ...owned("batch_size", "--batch-size", "-b"),
      ...owned("ubatch_size", "--ubatch-size", "-ub"),
      ...owned("threads", "--threads", "-t"),
      ...owned("mmproj", "--mmproj", "-mm", "--mmproj-url", "-mmu"),
      ...owned("embeddings", "--embeddings", "--embedding"),
      ...owned("pooling", "--pooling"),
      ...owned("jinja", "--jinja", "--no-jinja"),
      ...owned(
        "draft",
        "--spec-draft-model",
        "--model-draft",
        "-md",
        "--spec-draft-n-max",
        "--spec-draft-ngl",
        "--spec-type",
      ),
    },
  },
  vllm: {
    engine: "vLLM",
    version: vllm.version,
    known: vllm.flags,
    owned: {
      ...owned(PROGRAM, "--host", "--port", "--api-key", "--uds", "--served-model-name"),
      ...owned("model", "--model", "--revision", "--download-dir"),
      ...owned("hf_token", "--hf-token"),
      ...owned("tensor_parallel", "--tensor-parallel-size", "-tp"),
      ...owned("pipeline_parallel", "--pipeline-parallel-size", "-pp"),
      ...owned("context_length", "--max-model-len"),
      ...owned("gpu_memory_utilization", "--gpu-memory-utilization"),
      ...owned("parallel", "--max-num-seqs"),
      ...owned("max_batched_tokens", "--max-num-batched-tokens"),
      ...owned("quantization", "--quantization", "-q"),
      ...owned("dtype", "--dtype"),
      ...owned("kv_cache_dtype", "--kv-cache-dtype"),
      ...owned("prefix_caching", "--enable-prefix-caching", "--no-enable-prefix-caching"),
      ...owned("chunked_prefill", "--enable-chunked-prefill", "--no-enable-chunked-prefill"),
      ...owned("lora", "--enable-lora", "--lora-modules"),
      ...owned("max_lora_rank", "--max-lora-rank"),
      ...owned("tool_parser", "--enable-auto-tool-choice", "--tool-call-parser"),
      ...owned("reasoning_parser", "--reasoning-parser"),
      ...owned("speculative", "--speculative-config", "-sc"),
    },
  },
};

function owned(setting: string, ...flags: string[]): Record<string, string> {
  return Object.fromEntries(flags.map((flag) => [flag, setting]));
}
