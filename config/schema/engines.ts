/** What `engine:` of a provider may say, by its type: the engines that this program runs. */
import { z } from "zod";
import { MemoryMiB, Port } from "./names.ts";

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits, as `sha256sum FILE` prints them");
const Revision = z.string().regex(/^[0-9a-f]{40}$/, "must be a commit of 40 hex digits: a branch moves");
const Repository = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\/[A-Za-z0-9._-]+$/, "must be ORGANISATION/NAME, as bartowski/Llama-3.2-1B-GGUF");
const AbsolutePath = z
  .string()
  .regex(/^\/[A-Za-z0-9._/@+-]*[A-Za-z0-9._@+-]$/, "must be an absolute path of letters, digits and . _ - @ +");

/** Where a file comes from: exactly one of path, url, huggingface. */
export const FileSource = z.strictObject({
  path: AbsolutePath.optional().describe("The file lies on the host already."),
  url: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .optional()
    .describe("Downloaded once to the host, and checked; needs sha256."),
  sha256: Sha256.optional().describe("Checksum of the file. A file that has another one is never used."),
  huggingface: Repository.optional().describe("Repository on Hugging Face; needs revision and file."),
  revision: Revision.optional().describe("Commit of the repository, 40 hex digits."),
  file: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "must be the path of a file in the repository")
    .optional()
    .describe("File in the repository. Its checksum is the one the hub states, unless sha256 says it."),
});
export type FileSource = z.infer<typeof FileSource>;

/** Where a folder of weights comes from, as vLLM reads them: exactly one of path, huggingface. */
export const FolderSource = z.strictObject({
  path: AbsolutePath.optional().describe("The folder lies on the host already."),
  huggingface: Repository.optional().describe(
    "Repository on Hugging Face, downloaded once to the host; needs revision.",
  ),
  revision: Revision.optional().describe("Commit of the repository, 40 hex digits."),
});
export type FolderSource = z.infer<typeof FolderSource>;

const Gpus = z
  .union([
    z.literal("all"),
    z.int().min(0),
    z.array(z.union([z.int().min(0), z.string().regex(/^(GPU|MIG)-[A-Za-z0-9-]+$/)])).min(1),
  ])
  .default(0)
  .describe("GPUs given to the container: a number, all, or a list of ids, as [0, 1]. Default 0.");

const ExtraArgs = z
  .array(z.string().min(1).max(500))
  .default([])
  .describe(
    "Arguments that have no setting here, each word by itself. A flag that a setting owns is refused. Default: none.",
  );

const common = (port: number, readySeconds: number, memoryMiB: number) => ({
  gpus: Gpus,
  gpu_memory_mib: MemoryMiB.optional().describe(
    "GPU memory it needs in all, said instead of counted. Default: counted from the models' `memory`, or not checked.",
  ),
  port: Port.default(port).describe(`Port on the host's private address. Default ${port}.`),
  memory_mib: MemoryMiB.default(memoryMiB).describe(
    `Memory limit of the container; mapped model files count. Default ${memoryMiB}.`,
  ),
  ready_seconds: z
    .int()
    .min(10)
    .max(7200)
    .default(readySeconds)
    .describe(`How long it may take to load and answer, seconds. Default ${readySeconds}.`),
});

export const LLAMA_KV_TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"] as const;

export const LlamaCppEngine = z.strictObject({
  model: FileSource.describe("The GGUF file (--model). Of a split model the first part; with path only."),
  context_length: z
    .int()
    .min(128)
    .default(4096)
    .describe("Tokens of context a slot (--ctx-size is this times parallel). Default 4096."),
  parallel: z
    .int()
    .min(1)
    .max(256)
    .default(1)
    .describe("Requests at once, each with a context of its own (--parallel). Default 1."),
  gpu_layers: z
    .int()
    .min(0)
    .default(0)
    .describe("Layers kept on the GPU (--n-gpu-layers); 999 for all. Default 0: CPU only."),
  batch_size: z
    .int()
    .min(1)
    .max(65536)
    .optional()
    .describe("Tokens of prompt taken in at once (--batch-size). Default: llama.cpp's, 2048."),
  ubatch_size: z
    .int()
    .min(1)
    .max(65536)
    .optional()
    .describe("Tokens computed at once, at most batch_size (--ubatch-size). Default: llama.cpp's, 512."),
  flash_attention: z
    .enum(["on", "off", "auto"])
    .default("auto")
    .describe("--flash-attn. A quantized cache_type_v needs it. Default auto."),
  cache_type_k: z.enum(LLAMA_KV_TYPES).default("f16").describe("Format of cached keys (--cache-type-k). Default f16."),
  cache_type_v: z
    .enum(LLAMA_KV_TYPES)
    .default("f16")
    .describe("Format of cached values (--cache-type-v). Default f16."),
  mmproj: FileSource.optional().describe("Projector for images (--mmproj). Default: none, text only."),
  embeddings: z.boolean().default(false).describe("Serve embeddings and nothing else (--embeddings). Default false."),
  pooling: z
    .enum(["mean", "cls", "last", "rank"])
    .optional()
    .describe("How token vectors become one (--pooling); with embeddings. Default: as the model says."),
  jinja: z
    .boolean()
    .default(true)
    .describe("Use the model's own chat template; tools need it (--jinja). Default true."),
  draft: z
    .strictObject({
      model: FileSource.describe("A smaller model of the same family (--spec-draft-model)."),
      max_tokens: z
        .int()
        .min(1)
        .max(64)
        .default(16)
        .describe("Tokens guessed at once (--spec-draft-n-max). Default 16."),
      gpu_layers: z.int().min(0).default(0).describe("Its layers on the GPU (--spec-draft-ngl). Default 0."),
    })
    .optional()
    .describe("Speculative decoding. Default: none."),
  threads: z.int().min(1).max(1024).optional().describe("CPU threads (--threads). Default: llama.cpp's own choice."),
  extra_args: ExtraArgs,
  ...common(8080, 300, 4096),
});
export type LlamaCppEngine = z.infer<typeof LlamaCppEngine>;

const OllamaModel = z
  .strictObject({
    modelfile: z
      .string()
      .min(1)
      .optional()
      .describe("Text of a Modelfile; FROM names another model, or ./model.gguf for the file of `gguf`."),
    gguf: FileSource.optional().describe("The GGUF file it is made from."),
  })
  .describe("A model that is made, not pulled.");

export const OllamaEngine = z.strictObject({
  models: z
    .record(z.string().min(1), OllamaModel)
    .default({})
    .describe(
      "Upstream name → how it is made. Every other model of the provider is pulled by its name. Default: none.",
    ),
  insecure: z
    .boolean()
    .default(false)
    .describe("Pull without TLS, from a registry inside your network (ollama pull --insecure). Default false."),
  keep_alive: z
    .string()
    .regex(/^(-1|0|[1-9][0-9]*[smh])$/, "must be as 30m or 24h, -1 for ever, 0 not at all")
    .default("5m")
    .describe("How long an unused model stays loaded (OLLAMA_KEEP_ALIVE). Default 5m."),
  parallel: z
    .int()
    .min(1)
    .max(256)
    .default(1)
    .describe("Requests at once a model, each with a context of its own (OLLAMA_NUM_PARALLEL). Default 1."),
  max_loaded_models: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe("Models in memory at once (OLLAMA_MAX_LOADED_MODELS). Default 1."),
  max_queue: z
    .int()
    .min(1)
    .max(100_000)
    .default(512)
    .describe("Requests that may wait; beyond it 503 (OLLAMA_MAX_QUEUE). Default 512."),
  context_length: z
    .int()
    .min(128)
    .default(4096)
    .describe("Tokens of context a request (OLLAMA_CONTEXT_LENGTH). Default 4096."),
  flash_attention: z
    .boolean()
    .default(false)
    .describe("OLLAMA_FLASH_ATTENTION. A quantized kv_cache_type needs it. Default false."),
  kv_cache_type: z
    .enum(["f16", "q8_0", "q4_0"])
    .default("f16")
    .describe("Format of the KV cache (OLLAMA_KV_CACHE_TYPE). Default f16."),
  extra_env: z
    .record(z.string().regex(/^(OLLAMA|LLAMA|CUDA|HIP|ROCR|GPU|GGML)_[A-Z0-9_]+$/), z.string())
    .default({})
    .describe("Environment variables that have no setting here. One that a setting owns is refused. Default: none."),
  ...common(11434, 120, 4096),
});
export type OllamaEngine = z.infer<typeof OllamaEngine>;

export const VllmEngine = z.strictObject({
  model: FolderSource.describe("The weights."),
  tensor_parallel: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe("GPUs that each layer is spread over (--tensor-parallel-size). Default 1."),
  pipeline_parallel: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe("Groups of layers, one after the other (--pipeline-parallel-size). Default 1."),
  context_length: z
    .int()
    .min(128)
    .optional()
    .describe("Tokens of prompt and answer (--max-model-len). Default: what the model's config.json says."),
  gpu_memory_utilization: z
    .number()
    .gt(0)
    .max(1)
    .default(0.9)
    .describe("Share of each GPU's memory it takes at its start (--gpu-memory-utilization). Default 0.9."),
  parallel: z
    .int()
    .min(1)
    .max(4096)
    .default(64)
    .describe("Requests at once; others wait in it (--max-num-seqs). Default 64."),
  max_batched_tokens: z
    .int()
    .min(1)
    .optional()
    .describe("Tokens computed in one step (--max-num-batched-tokens). Default: vLLM's own choice."),
  quantization: z
    .string()
    .regex(/^[a-z0-9_-]+$/, "must be a method of vLLM, as awq, gptq, fp8")
    .optional()
    .describe("--quantization. Default: what the model's files say."),
  dtype: z
    .enum(["auto", "half", "float16", "bfloat16", "float", "float32"])
    .default("auto")
    .describe("Number format of weights and activations (--dtype). Default auto."),
  kv_cache_dtype: z
    .enum(["auto", "fp8", "fp8_e4m3", "fp8_e5m2"])
    .default("auto")
    .describe("Format of the KV cache (--kv-cache-dtype); auto: as the model. Default auto."),
  prefix_caching: z
    .boolean()
    .default(true)
    .describe("Keep the KV cache of prompts' beginnings (--enable-prefix-caching). Default true."),
  chunked_prefill: z
    .boolean()
    .default(true)
    .describe("Long prompts do not hold up running answers (--enable-chunked-prefill). Default true."),
  lora: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be of letters, digits and . _ -")
          .describe("Upstream name of the adapted model."),
        source: FolderSource.describe("The adapter's folder."),
      }),
    )
    .default([])
    .describe("LoRA adapters, each served under its own name (--enable-lora, --lora-modules). Default: none."),
  max_lora_rank: z
    .union([z.literal(8), z.literal(16), z.literal(32), z.literal(64), z.literal(128), z.literal(256)])
    .default(16)
    .describe("Largest rank of an adapter (--max-lora-rank). Default 16."),
  tool_parser: z
    .string()
    .regex(/^[a-z0-9_]+$/, "must be a parser of vLLM, as hermes, llama3_json, mistral")
    .optional()
    .describe("Reads tool calls (--enable-auto-tool-choice, --tool-call-parser). Default: none, no tools."),
  reasoning_parser: z
    .string()
    .regex(/^[a-z0-9_]+$/, "must be a parser of vLLM, as deepseek_r1, qwen3")
    .optional()
    .describe("Takes the reasoning out of the answer (--reasoning-parser). Default: none."),
  speculative: z
    .strictObject({
      method: z
        .enum(["draft_model", "ngram", "eagle", "eagle3", "mtp"])
        .describe("How tokens are guessed; ngram needs no model."),
      model: FolderSource.optional().describe("The model that guesses; all but ngram and mtp need one."),
      tokens: z.int().min(1).max(32).default(3).describe("Tokens guessed at once. Default 3."),
    })
    .optional()
    .describe("Speculative decoding (--speculative-config). Default: none."),
  hf_token: z
    .string()
    .regex(/^\$\{[A-Z][A-Z0-9_]*\}$/, "must be a reference such as ${HF_TOKEN}, never the token itself")
    .optional()
    .describe("Stack secret with a Hugging Face token, for gated models. Default: none."),
  shared_memory_mib: MemoryMiB.default(1024).describe(
    "Size of /dev/shm (--shm-size); tensor parallel workers exchange there. Default 1024.",
  ),
  ipc: z
    .enum(["private", "host"])
    .default("private")
    .describe("IPC namespace of the container. host: the host's own /dev/shm, without the limit. Default private."),
  extra_args: ExtraArgs,
  ...common(8001, 900, 16384),
});
export type VllmEngine = z.infer<typeof VllmEngine>;

export type EngineSettings = LlamaCppEngine | OllamaEngine | VllmEngine;
