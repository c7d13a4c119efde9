/** What `providers.yaml` may say: who answers, and with what. */
import { z } from "zod";
import { type EngineSettings, LlamaCppEngine, OllamaEngine, VllmEngine } from "./engines.ts";
import { Dollars, ModelName, Name, Period } from "./names.ts";

export const SECRET_REFERENCE = /^\$\{([A-Z][A-Z0-9_]*)\}$/;

/** The gateway's environment variable that holds a provider's key. */
export const keyVariableOf = (provider: string) => `PROVIDER_${provider.toUpperCase().replaceAll("-", "_")}_KEY`;

export const CAPABILITIES = ["chat", "completion", "embedding", "vision", "tools", "json", "reasoning"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What a model takes in memory: its files' size, and what its KV cache is counted from. */
const ModelMemory = z.strictObject({
  weights_mib: z.int().min(1).describe("Size of the weights, MiB: the files' size."),
  layers: z.int().min(1).max(1000).describe("Layers (config.json num_hidden_layers; GGUF block_count)."),
  kv_heads: z
    .int()
    .min(1)
    .max(1024)
    .describe("Heads of keys and values (num_key_value_heads; GGUF attention.head_count_kv)."),
  head_dim: z
    .int()
    .min(1)
    .max(4096)
    .describe("Numbers a head (head_dim, or hidden_size / num_attention_heads; GGUF attention.key_length)."),
});
export type ModelMemory = z.infer<typeof ModelMemory>;

const Model = z.strictObject({
  name: ModelName.describe("The model's name in this project: routes name it so."),
  upstream_name: z.string().min(1).optional().describe("The name the provider knows it by. Default: `name`."),
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
  memory: ModelMemory.optional().describe(
    "What it takes in a managed engine's memory: the room on its host is counted from it. Default: not counted.",
  ),
  capabilities: z
    .array(z.enum(CAPABILITIES))
    .min(1, "needs at least one capability")
    .optional()
    .describe("What it can do. Fallbacks are compared by it. Default: chat and completion."),
  prices: z
    .strictObject({
      input_usd_per_million: Dollars.describe("US dollars for a million tokens of prompt."),
      output_usd_per_million: Dollars.describe("US dollars for a million tokens of answer."),
    })
    .optional()
    .describe(
      "What it costs; budgets count with it. Default: LiteLLM's own price list for clouds, nothing for others.",
    ),
});

const RateLimits = z.strictObject({
  rpm: z.int().min(1).optional().describe("Requests a minute of each model. Default: no limit."),
  tpm: z.int().min(1).optional().describe("Tokens a minute of each model, prompt and answer. Default: no limit."),
  max_parallel_requests: z.int().min(1).optional().describe("Requests of each model at once. Default: no limit."),
});

const Timeouts = z.strictObject({
  connect_seconds: z
    .int()
    .min(3)
    .max(60)
    .default(7)
    .describe(
      "Until a connection stands. The kernel tries for 3, 7, 15 or 31 s; the gateway has one limit, by the largest. Default 7.",
    ),
  first_token_seconds: z
    .int()
    .min(1)
    .max(3600)
    .default(60)
    .describe("Until a stream's first token. An engine that hangs holds nobody longer. Default 60."),
  idle_stream_seconds: z
    .int()
    .min(1)
    .max(3600)
    .optional()
    .describe(
      "Between two tokens of a stream. LiteLLM has one timer for both: the larger counts. Default: as first_token_seconds.",
    ),
  total_seconds: z.int().min(1).max(3600).default(300).describe("A whole request, streams included. Default 300."),
});

/** What every provider may say, whatever it speaks. */
const common = {
  status: z
    .enum(["active", "draining", "disabled"])
    .default("active")
    .describe(
      "draining: deployed, but gets no new requests. disabled: neither deployed nor routed to. Default active.",
    ),
  url: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .optional()
    .describe("Base URL of an external provider. Default: the vendor's own, for openai and anthropic."),
  api_key: z
    .string()
    .regex(SECRET_REFERENCE, "must be a reference such as ${OPENAI_API_KEY}, never the key itself")
    .optional()
    .describe("Name of a stack secret: ${NAME}, set with `pulumi config set --secret NAME`."),
  region: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "must be small letters, digits and -, as us-west-1")
    .optional()
    .describe("Where it stands; for people and diagrams. Order comes from priority. Default: none."),
  priority: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .describe("Order among the providers of one model, 1 first; equals share the requests. Default 1."),
  failover_only: z
    .boolean()
    .default(false)
    .describe("Asked only when every other provider of the model fails, whatever its priority. Default false."),
  rate_limits: RateLimits.optional().describe("What the provider allows. Beyond it the next provider is asked."),
  budget: z
    .strictObject({
      limit_usd: Dollars.describe("US dollars a period."),
      period: Period.default("30d").describe("As 1h, 1d, 30d. Default 30d."),
    })
    .optional()
    .describe("What it may cost; beyond it the next provider is asked, then callers get 429. Default: no limit."),
  timeouts: Timeouts.prefault({}).describe("How long it may take."),
  models: z.array(Model).min(1, "needs at least one model").describe("What it serves."),
};

const WHERE =
  "Settings of an engine this program runs. Its host is in the stack's placement. Default: it runs elsewhere, at url.";
const SPEAKS = "What it speaks.";

export const Provider = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("llama_cpp").describe(SPEAKS),
    engine: LlamaCppEngine.optional().describe(WHERE),
    ...common,
  }),
  z.strictObject({
    type: z.literal("ollama").describe(SPEAKS),
    engine: OllamaEngine.optional().describe(WHERE),
    ...common,
  }),
  z.strictObject({
    type: z.literal("vllm").describe(SPEAKS),
    engine: VllmEngine.optional().describe(WHERE),
    ...common,
  }),
  z.strictObject({
    type: z.enum(["openai", "anthropic", "openai_compatible"]).describe(SPEAKS),
    engine: z.never().optional().describe("Not for these: they run elsewhere."),
    ...common,
  }),
]);

export const Providers = z.strictObject({
  providers: z.record(Name, Provider).describe("Who answers, by name."),
});

export type Providers = z.infer<typeof Providers>;
export type ProviderSettings = z.infer<typeof Provider>;
export type ModelSettings = z.infer<typeof Model>;
export type { EngineSettings };

/** What a model can do; one that does not say it can chat and complete. */
export const capabilitiesOf = (model: ModelSettings): readonly Capability[] =>
  model.capabilities ?? ["chat", "completion"];
