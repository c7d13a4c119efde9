/** What `model-mappings.yaml` may say: which name a client asks for goes where, at what cost. */
import { z } from "zod";
import { Dollars, ModelName, Name, Period } from "./names.ts";

const Chain = z.array(ModelName);

const Match = z.strictObject({
  provider: Name.optional().describe("The one who answers. Default: every active provider that serves the model."),
  model: ModelName.optional().describe("The model's name in providers.yaml. Default: the name clients use."),
  weights: z
    .record(Name, z.int().min(0).max(1000))
    .optional()
    .describe("Provider → its share, as { old: 95, new: 5 } for a canary. Instead of provider; only these answer."),
  fallback_chain: Chain.default([]).describe("Routes asked in this order when this one fails. Default: none."),
  context_window_fallbacks: Chain.optional().describe(
    "Routes asked when the request is too long. Default: those of the whole fallback chain with a longer context.",
  ),
  content_policy_fallbacks: Chain.optional().describe(
    "Routes asked when the provider refuses the content. Default: none, the client sees the refusal.",
  ),
  strict: z
    .boolean()
    .default(false)
    .describe("A fallback with fewer capabilities or less context is an error, not a warning. Default false."),
  cache: z.boolean().default(true).describe("false: its answers are never kept. Default true."),
});

const CapabilityAnswer = z.strictObject({
  model: ModelName.describe("The model's name in providers.yaml."),
  provider: Name.optional().describe("The one who answers. Default: every active provider that serves the model."),
  priority: z.int().min(1).max(100).default(1).describe("1 is asked first; equals share the requests. Default 1."),
});

export const CACHE_KEY = /^(?:([a-z0-9_-]{1,40}):)?\{model\}:\{prompt_hash\}$/;

const Cache = z.strictObject({
  type: z.literal("redis").default("redis").describe("The stack's own Redis. Default redis."),
  ttl: z.int().min(1).max(31_536_000).default(3600).describe("How long an answer is kept, seconds. Default 3600."),
  cache_key_pattern: z
    .string()
    .regex(CACHE_KEY, "LiteLLM's keys are hashes of model and prompt: only a prefix is yours to choose")
    .default("{model}:{prompt_hash}")
    .describe(
      "`{model}:{prompt_hash}`, or with a prefix: `v2:{model}:{prompt_hash}`. A new prefix forgets every kept answer.",
    ),
});

const ModelLimits = z.strictObject({
  max_parallel_requests: z.int().min(1).optional().describe("Requests at once, at each provider. Default: no limit."),
  max_budget_per_day: Dollars.optional().describe("US dollars a day, at each provider. Default: no limit."),
});

const LitellmSettings = z.strictObject({
  max_budget: Dollars.optional().describe(
    "US dollars a budget_duration, over all providers that cost. With several of them, each needs its part as a budget in providers.yaml. Default: no limit.",
  ),
  budget_duration: Period.default("30d").describe("As 1d or 30d. Default 30d."),
  model_limits: z
    .record(ModelName, ModelLimits)
    .default({})
    .describe("Limits by the model's name in providers.yaml. Default: none."),
  callbacks: z
    .array(z.enum(["prometheus"]))
    .default([])
    .describe("LiteLLM's own: prometheus serves /metrics inside the network. Default: none."),
});

export const Mappings = z.strictObject({
  routing: z
    .strictObject({
      exact_matches: z
        .record(ModelName, Match)
        .refine((routes) => Object.keys(routes).length > 0, "needs at least one route")
        .describe("The name a client asks for → who answers."),
      capability_routing: z
        .record(
          z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, "must be small letters, digits, _ or -"),
          z.array(CapabilityAnswer).min(1, "needs at least one model"),
        )
        .default({})
        .describe("Capability → models; a client asks for `capability/NAME`. Default: none."),
      aliases: z.record(ModelName, ModelName).default({}).describe("Another name → the route it means. Default: none."),
      default_model: ModelName.optional().describe(
        "The route that answers to the name `default`, and that smoke tests ask first. Default: the first one.",
      ),
      retries: z
        .int()
        .min(0)
        .max(10)
        .default(1)
        .describe("Tries more at the same route before its fallbacks. Default 1."),
      cooldown_seconds: z
        .int()
        .min(1)
        .max(3600)
        .default(30)
        .describe("How long a failing deployment is left alone. Default 30."),
      allowed_fails: z
        .int()
        .min(0)
        .max(10_000)
        .optional()
        .describe(
          "Failures a minute before the cooldown. Default: by share, when more than half of a minute's requests fail, or all of at least 3 where nobody else has the model.",
        ),
    })
    .describe("Which name goes where."),
  cache: Cache.prefault({}).describe("Answers that are kept."),
  litellm_settings: LitellmSettings.prefault({}).describe("Budgets, limits and callbacks of the gateway."),
});

export type Mappings = z.infer<typeof Mappings>;
export type Match = z.infer<typeof Match>;
