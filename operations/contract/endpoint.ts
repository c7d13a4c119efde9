/** One endpoint under contract, and the ways to ask it. */
import OpenAI from "openai";
import { z } from "zod";

/** What stands behind an address; the expectations differ by it. */
export const ENGINES = ["vllm", "llama_cpp", "ollama", "openai", "anthropic", "openai_compatible"] as const;
export type EngineKind = (typeof ENGINES)[number];

export interface Endpoint {
  /** How the report names it. */
  name: string;
  engine: EngineKind;
  /** Base URL as an OpenAI client wants it, with `/v1`. */
  url: string;
  /** Default: none is sent. */
  key?: string;
  /** The name the endpoint knows its chat model by. Default: the first that it lists. */
  model?: string;
  /** The same for embeddings. Default: embeddings are not checked. */
  embeddingModel?: string;
  /** Declared context, tokens. Default: the checks about it are not applicable. */
  contextLength?: number;
  /** What the model is said to do. */
  capabilities: readonly string[];
  /** A request takes no longer, seconds. */
  timeoutSeconds: number;
}

/** The endpoint breaks the contract; the message says how. */
export class Violation extends Error {}
/** A check has no meaning for this endpoint; the message says why. */
export class NotApplicable extends Error {}

export function insist(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}

/** A part of an answer for a message: short, on one line. */
export function excerpt(value: unknown): string {
  const text = (typeof value === "string" ? value : JSON.stringify(value)) ?? String(value);
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
}

/** Reads a body by its schema; a violation names the first field that is wrong. */
export function parse<T extends z.ZodType>(schema: T, body: unknown, what: string): z.infer<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.join(".") || "the body";
  throw new Violation(`${what}: ${path}: ${issue?.message ?? "is wrong"} (${excerpt(body)})`);
}

const Usage = z
  .looseObject({
    prompt_tokens: z.int().min(0),
    completion_tokens: z.int().min(0),
    total_tokens: z.int().min(0),
  })
  .refine((usage) => usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, {
    message: "total_tokens is not the sum of prompt_tokens and completion_tokens",
  });

export const FinishReason = z.enum(["stop", "length", "tool_calls", "content_filter", "function_call"]);

const ToolCall = z.looseObject({
  id: z.string().min(1),
  type: z.literal("function"),
  function: z.looseObject({ name: z.string().min(1), arguments: z.string() }),
});

const TokenLogprob = z.looseObject({
  token: z.string(),
  logprob: z.number().max(0.001),
  top_logprobs: z.array(z.looseObject({ token: z.string(), logprob: z.number().max(0.001) })),
});

export const ChatCompletion = z.looseObject({
  id: z.string().min(1),
  object: z.literal("chat.completion"),
  created: z.int().min(1),
  model: z.string().min(1),
  choices: z
    .array(
      z.looseObject({
        index: z.int().min(0),
        message: z.looseObject({
          role: z.literal("assistant"),
          content: z.string().nullish(),
          tool_calls: z.array(ToolCall).nullish(),
        }),
        finish_reason: FinishReason,
        logprobs: z.looseObject({ content: z.array(TokenLogprob).nullish() }).nullish(),
      }),
    )
    .min(1),
  usage: Usage,
});
export type ChatCompletion = z.infer<typeof ChatCompletion>;

export const Completion = z.looseObject({
  id: z.string().min(1),
  object: z.literal("text_completion"),
  created: z.int().min(1),
  model: z.string().min(1),
  choices: z
    .array(z.looseObject({ index: z.int().min(0), text: z.string(), finish_reason: FinishReason.nullable() }))
    .min(1),
  usage: Usage,
});

export const Chunk = z.looseObject({
  id: z.string().min(1),
  object: z.literal("chat.completion.chunk"),
  created: z.int().min(1),
  model: z.string().min(1),
  choices: z.array(
    z.looseObject({
      index: z.int().min(0),
      delta: z.looseObject({ role: z.literal("assistant").nullish(), content: z.string().nullish() }),
      finish_reason: FinishReason.nullish(),
    }),
  ),
  usage: Usage.nullish(),
});

export const Embeddings = z.looseObject({
  object: z.literal("list"),
  data: z.array(
    z.looseObject({
      object: z.literal("embedding"),
      index: z.int().min(0),
      embedding: z.array(z.number()).min(1),
    }),
  ),
  model: z.string().min(1),
});

export const Models = z.looseObject({
  object: z.literal("list"),
  data: z.array(z.looseObject({ id: z.string().min(1), object: z.literal("model") })).min(1),
});

const ErrorBody = z.looseObject({ error: z.looseObject({ message: z.string().min(1) }) });

export interface Answer {
  status: number;
  contentType: string;
  text: string;
}

/** An endpoint that is being checked. */
export class Session {
  readonly client: OpenAI;

  constructor(
    readonly endpoint: Endpoint,
    readonly model: string,
  ) {
    const { url, key, timeoutSeconds } = endpoint;
    // The client insists on a key; engines without keys ignore it.
    this.client = new OpenAI({ baseURL: url, apiKey: key ?? "none", maxRetries: 0, timeout: timeoutSeconds * 1000 });
  }

  /** The address without `/v1`, for paths beside it. */
  get root(): string {
    return this.endpoint.url.replace(/\/v1\/?$/, "");
  }

  headers(key = this.endpoint.key): Record<string, string> {
    return { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  }

  limit(): AbortSignal {
    return AbortSignal.timeout(this.endpoint.timeoutSeconds * 1000);
  }

  /** A request as bytes; `body` undefined: GET. Whatever the status. */
  async raw(url: string, body?: string, headers = this.headers()): Promise<Answer> {
    const method = body === undefined ? "GET" : "POST";
    const response = await fetch(url, { method, headers, signal: this.limit(), ...(body !== undefined && { body }) });
    return {
      status: response.status,
      contentType: response.headers.get("content-type") ?? "",
      text: await response.text(),
    };
  }

  /** A chat body for the endpoint's model. */
  chatBody(content: string, extra: object = {}): Record<string, unknown> {
    return { model: this.model, messages: [{ role: "user", content }], ...extra };
  }

  /** A chat through the official client, its body held against the schema. */
  async chat(content: string, extra: object = {}): Promise<ChatCompletion> {
    return this.chatWith(this.chatBody(content, extra));
  }

  async chatWith(body: Record<string, unknown>): Promise<ChatCompletion> {
    const answer = await this.client.chat.completions.create(
      body as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming,
    );
    return parse(ChatCompletion, answer, "chat completion");
  }

  /** A chat that must be refused with one of these statuses and an error as OpenAI shapes it. */
  async refused(answer: Answer, statuses: number[], what: string): Promise<string> {
    const { status, text } = answer;
    insist(status >= 400, `${what} is answered with ${status}: ${excerpt(text)}`);
    insist(
      statuses.includes(status),
      `${what} is refused with ${status}, expected ${statuses.join(" or ")}: ${excerpt(text)}`,
    );
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      throw new Violation(`${what}: the error's body is no JSON: ${excerpt(text)}`);
    }
    const { error } = parse(ErrorBody, body, `${what}: the error's body`);
    insist(!/\n\s+(at |File ")/.test(error.message), `${what}: the error shows a stack trace: ${excerpt(text)}`);
    return `${status}`;
  }
}
