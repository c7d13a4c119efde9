/** Every check, and what each kind of endpoint owes. */
import * as answers from "./check-answers.ts";
import * as streams from "./check-streams.ts";
import * as surface from "./check-surface.ts";
import type { EngineKind, Session } from "./endpoint.ts";

export type Demand = "required" | "optional" | "not applicable";

export interface Check {
  id: string;
  title: string;
  /** Throws a Violation or NotApplicable; what it returns is for the report. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most have nothing to tell
  run: (session: Session) => Promise<string | void>;
  /** Required, but for these. */
  demands?: Partial<Record<EngineKind, Demand>>;
}

/** Clouds have neither health nor metrics; of an unknown server nothing is known. */
const OWN = { openai: "not applicable", anthropic: "not applicable", openai_compatible: "not applicable" } as const;
/** What Anthropic's OpenAI layer says that it ignores. */
const NOT_ANTHROPIC = { anthropic: "not applicable" } as const;

export const CHECKS: readonly Check[] = [
  { id: "models", title: "models are listed", run: answers.models },
  { id: "chat", title: "chat completion", run: answers.chat },
  {
    id: "completion",
    title: "legacy completion",
    run: answers.completion,
    demands: { openai: "optional", openai_compatible: "optional", ...NOT_ANTHROPIC },
  },
  { id: "embeddings", title: "embeddings", run: answers.embeddings, demands: NOT_ANTHROPIC },
  { id: "streaming", title: "stream: events, one end, [DONE]", run: streams.streaming },
  {
    id: "stream-usage",
    title: "stream: usage chunk",
    run: streams.streamUsage,
    demands: { openai_compatible: "optional" },
  },
  { id: "stop", title: "stop sequence", run: answers.stop },
  { id: "max-tokens", title: "max_tokens", run: answers.maxTokens },
  { id: "repeatable", title: "temperature 0 (reported)", run: answers.repeatable },
  {
    id: "seed",
    title: "seed",
    run: answers.seed,
    demands: { openai: "optional", openai_compatible: "optional", ...NOT_ANTHROPIC },
  },
  {
    id: "logprobs",
    title: "logprobs",
    run: answers.logprobs,
    demands: { ollama: "optional", openai_compatible: "optional", ...NOT_ANTHROPIC },
  },
  // Ollama's OpenAI layer takes it and answers one.
  {
    id: "n",
    title: "n",
    run: answers.n,
    demands: { ollama: "not applicable", openai_compatible: "optional", ...NOT_ANTHROPIC },
  },
  { id: "tools", title: "tools", run: answers.tools },
  { id: "json", title: "JSON mode", run: answers.json, demands: NOT_ANTHROPIC },
  // Ollama cuts the beginning of a prompt that is too long, and answers.
  { id: "long-context", title: "context as declared", run: answers.longContext },
  { id: "unicode", title: "unicode", run: answers.unicode },
  { id: "concurrent", title: "concurrent requests", run: streams.concurrent },
  { id: "cancelled", title: "a cancelled request frees its slot", run: streams.cancelled },
  // llama.cpp has one model and answers with it, whatever the name.
  {
    id: "unknown-model",
    title: "error: unknown model",
    run: surface.unknownModel,
    demands: { llama_cpp: "not applicable" },
  },
  { id: "bad-json", title: "error: bad JSON", run: surface.badJson },
  { id: "missing-key", title: "error: missing key", run: surface.missingKey, demands: { ollama: "not applicable" } },
  { id: "wrong-key", title: "error: wrong key", run: surface.wrongKey, demands: { ollama: "not applicable" } },
  {
    id: "too-long",
    title: "error: too long",
    run: answers.tooLong,
    demands: { ollama: "optional", openai_compatible: "optional" },
  },
  { id: "health", title: "health without a key", run: surface.health, demands: OWN },
  { id: "metrics", title: "metrics names", run: surface.metrics, demands: { ollama: "not applicable", ...OWN } },
];

export const demandOf = (check: Check, engine: EngineKind): Demand => check.demands?.[engine] ?? "required";
