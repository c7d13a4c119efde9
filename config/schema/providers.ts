/** What `providers.yaml` may say: who answers, and with what. */
import { z } from "zod";
import { MemoryMiB, Name, Port } from "./names.ts";

export const SECRET_REFERENCE = /^\$\{([A-Z][A-Z0-9_]*)\}$/;

const Model = z.strictObject({
  name: z.string().min(1).describe("The model's name at this provider."),
  context_length: z
    .int()
    .min(1)
    .optional()
    .describe("Tokens of context, prompt and answer together. Default: what LiteLLM knows of the model."),
  max_output_tokens: z
    .int()
    .min(1)
    .optional()
    .describe("Tokens of answer at most. Default: what is left of the context."),
  specialty: z.string().optional().describe("What it is good at; for people."),
  quantization: z.string().optional().describe("Weights format, as Q4_K_M; for people."),
});

const Engine = z.strictObject({
  model_path: z
    .string()
    .regex(/^\/.+\.gguf$/, "must be the absolute path of a .gguf file on the host")
    .describe("The GGUF file on the provider's host; mounted read-only."),
  context_length: z
    .int()
    .min(128)
    .default(4096)
    .describe("Tokens of context a slot (llama-server --ctx-size is this times parallel). Default 4096."),
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
  gpus: z
    .union([z.literal("all"), z.int().min(0)])
    .default(0)
    .describe("GPUs given to the container: a number, or all. Default 0."),
  threads: z.int().min(1).max(1024).optional().describe("CPU threads (--threads). Default: llama.cpp's own choice."),
  port: Port.default(8080).describe("Port on the host's private address. Default 8080."),
  memory_mib: MemoryMiB.default(4096).describe("Memory limit of the container; the model file counts. Default 4096."),
});

export const Provider = z.strictObject({
  type: z.enum(["llama_cpp", "ollama", "vllm", "openai", "anthropic", "openai_compatible"]).describe("What it speaks."),
  status: z
    .enum(["active", "disabled"])
    .default("active")
    .describe("disabled: not deployed and not routed to. Default active."),
  url: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .optional()
    .describe("Base URL of an external provider. Default: the vendor's own, for openai and anthropic."),
  api_key: z
    .string()
    .regex(SECRET_REFERENCE, "must be a reference such as ${OPENAI_API_KEY}, never the key itself")
    .optional()
    .describe("Name of a stack secret: ${NAME}, set with `pulumi config set --secret NAME`."),
  engine: Engine.optional().describe(
    "Settings of an engine this program runs (llama_cpp). Its host is in the stack's placement.",
  ),
  timeout_seconds: z.int().min(1).max(3600).default(300).describe("A whole request, streams included. Default 300."),
  models: z.array(Model).min(1, "needs at least one model"),
});

export const Providers = z.strictObject({ providers: z.record(Name, Provider) });

export type Providers = z.infer<typeof Providers>;
export type ProviderSettings = z.infer<typeof Provider>;
export type EngineSettings = z.infer<typeof Engine>;
