/** What `model-mappings.yaml` may say: which name a client asks for goes where. */
import { z } from "zod";

const Match = z.strictObject({
  provider: z.string().min(1).describe("Who answers."),
  model: z.string().min(1).optional().describe("The model's name at the provider. Default: the name clients use."),
  fallback_chain: z
    .array(z.string().min(1))
    .default([])
    .describe("Names of other routes, asked in this order when this one fails. Default: none."),
});

export const Mappings = z.strictObject({
  routing: z.strictObject({
    exact_matches: z
      .record(z.string().min(1), Match)
      .refine((routes) => Object.keys(routes).length > 0, "needs at least one route"),
    default_model: z
      .string()
      .min(1)
      .optional()
      .describe("The route that smoke tests ask first. Default: the first one."),
    retries: z.int().min(0).max(10).default(1).describe("Tries at the same route before its fallbacks. Default 1."),
    cooldown_seconds: z
      .int()
      .min(1)
      .max(3600)
      .default(30)
      .describe("How long a failing deployment is left alone. Default 30."),
    allowed_fails: z.int().min(0).max(100).default(1).describe("Failures a minute before the cooldown. Default 1."),
  }),
});

export type Mappings = z.infer<typeof Mappings>;
