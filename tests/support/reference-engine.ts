/**
 * A test server that keeps the contract to the letter, and can break one part of it at a time. Its
 * words are drawn by a seed; a slot is taken while a request is answered, and freed when its
 * caller hangs up.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One deliberate violation each. */
export type Mutation =
  | "models without data"
  | "model not listed"
  | "chat without id"
  | "chat with a wrong object"
  | "chat with a wrong sum"
  | "chat without content"
  | "completion without text"
  | "embeddings of one input only"
  | "embeddings all the same"
  | "embeddings as text"
  | "stream as JSON"
  | "stream without [DONE]"
  | "stream with two ends"
  | "stream with many ids"
  | "stream event without blank line"
  | "stream without finish_reason"
  | "stream with a broken character"
  | "stream without usage"
  | "stream usage with choices"
  | "stop ignored"
  | "stop kept in the text"
  | "stop with reason length"
  | "max_tokens ignored"
  | "max_tokens with reason stop"
  | "seed ignored"
  | "one seed for all"
  | "logprobs missing"
  | "logprobs above zero"
  | "top_logprobs short"
  | "n ignored"
  | "n with equal indexes"
  | "tools refused"
  | "tool never offered"
  | "tool arguments broken"
  | "tool result refused"
  | "JSON mode ignored"
  | "context smaller than declared"
  | "long prompt cut in silence"
  | "unicode refused"
  | "one request at a time"
  | "equal ids"
  | "slots never freed"
  | "any model taken"
  | "bad JSON as 500"
  | "bad JSON taken"
  | "error as text"
  | "error without message"
  | "error with a stack trace"
  | "missing key taken"
  | "missing key as 500"
  | "wrong key taken"
  | "wrong key shows the right one"
  | "too long as 500"
  | "health needs a key"
  | "health missing"
  | "metrics missing"
  | "metric renamed"
  | "metrics need another key";

export const REFERENCE = {
  key: "sk-reference-key",
  model: "reference",
  embedding: "reference-embedding",
  context: 400,
};
const SLOTS = 4;
const TOKEN_MS = 2;
const METRIC_NAMES = [
  ...["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "prefix_cache_hits_total"],
  ...["prefix_cache_queries_total", "num_preemptions_total", "request_success_total"],
  ...["time_to_first_token_seconds_bucket", "inter_token_latency_seconds_bucket"],
  ...["e2e_request_latency_seconds_sum", "request_queue_time_seconds_count"],
];
const WORDS = "moon tide keeper lamp storm gull rope harbour fog bell salt wind café 灯台 🙂 stone".split(" ");

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));
const tokensOf = (text: string) => text.split(/\s+/).filter(Boolean).length;
const hashOf = (text: string) => [...text].reduce((sum, c) => (Math.imul(sum, 31) + (c.codePointAt(0) ?? 0)) | 0, 7);

// biome-ignore lint/suspicious/noExplicitAny: whatever a client sends
type Body = any;

class Slots {
  private free = SLOTS;
  private readonly waiting: (() => void)[] = [];

  async take(): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((wake) => this.waiting.push(wake));
  }

  give(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }
}

export interface ReferenceEngine {
  url: string;
  close: () => Promise<void>;
}

export async function referenceEngine(mutation?: Mutation): Promise<ReferenceEngine> {
  const broken = (one: Mutation) => mutation === one;
  const slots = new Slots();
  let busy = false;
  let count = 0;
  let drawn = 0;

  function send(response: ServerResponse, status: number, body: unknown, type = "application/json"): void {
    response.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
  }

  function refuse(response: ServerResponse, status: number, message: string, type = "invalid_request_error"): void {
    if (broken("error as text")) {
      send(response, status, message, "text/plain");
      return;
    }
    if (broken("error without message")) {
      send(response, status, { error: { type } });
      return;
    }
    const trace = broken("error with a stack trace") ? "\n    at Object.<anonymous> (/srv/app.js:1:1)" : "";
    send(response, status, { error: { message: message + trace, type, param: null, code: null } });
  }

  /** The words of an answer, and why it ended. */
  function draw(body: Body, choice: number, prompt: string): { words: string[]; reason: string } {
    const repeatable = (body.temperature ?? 1) === 0 || (body.seed !== undefined && !broken("seed ignored"));
    const seed = broken("one seed for all") || body.temperature === 0 ? 1 : (body.seed ?? 0);
    const random = randomOf(hashOf(prompt) + seed * 7919 + choice * 104729 + (repeatable ? 0 : ++drawn * 15485863));
    const asked = body.max_tokens ?? body.max_completion_tokens ?? 48;
    const limit = broken("max_tokens ignored") ? 40 : asked;
    const room = Math.max(1, Math.min(limit, REFERENCE.context - tokensOf(prompt)));
    const words = Array.from({ length: room }, () => WORDS[Math.floor(random() * WORDS.length)] ?? "");
    return { words, reason: broken("max_tokens with reason stop") ? "stop" : "length" };
  }

  /** Cuts the text at a stop sequence, as an engine does: by characters, not by tokens. */
  function cut(text: string, stop: string[]): { text: string; stopped: boolean } {
    const at = Math.min(...stop.map((word) => text.indexOf(word)).filter((index) => index >= 0));
    if (!Number.isFinite(at) || broken("stop ignored")) return { text, stopped: false };
    const kept = broken("stop kept in the text") ? at + (stop[0]?.length ?? 0) : at;
    return { text: text.slice(0, kept), stopped: true };
  }

  function answerOf(body: Body, index: number, prompt: string) {
    const { words, reason } = draw(body, index, prompt);
    const { text, stopped } = cut(words.join(" "), [body.stop ?? []].flat());
    const stopReason = broken("stop with reason length") ? "length" : "stop";
    return { text, tokens: Math.max(1, tokensOf(text)), reason: stopped ? stopReason : reason };
  }

  function toolCall(body: Body) {
    const name = broken("tool never offered") ? "format_disk" : body.tools[0].function.name;
    const text = broken("tool arguments broken") ? '{"city": Oslo' : '{"city":"Oslo"}';
    return [{ id: `call_${count}`, type: "function", function: { name, arguments: text } }];
  }

  function logprobsOf(text: string, top: number) {
    const logprob = broken("logprobs above zero") ? 0.7 : -0.7;
    const alternatives = WORDS.slice(0, broken("top_logprobs short") ? Math.max(0, top - 1) : top);
    const top_logprobs = alternatives.map((token, i) => ({
      token,
      logprob: logprob - Math.sign(0.7) * i,
      bytes: null,
    }));
    return { content: text.split(" ").map((token) => ({ token, logprob, bytes: null, top_logprobs })) };
  }

  async function chat(body: Body, response: ServerResponse, gone: () => boolean): Promise<void> {
    const prompt = body.messages.map((one: Body) => String(one.content ?? "")).join(" ");
    let prompt_tokens = tokensOf(prompt) + 3;
    const context = broken("context smaller than declared") ? REFERENCE.context / 2 : REFERENCE.context;
    if (prompt_tokens > context) {
      if (!broken("long prompt cut in silence"))
        return refuse(response, broken("too long as 500") ? 500 : 400, `the context has ${context} tokens`);
      prompt_tokens = context;
    }
    if (broken("long prompt cut in silence")) prompt_tokens = Math.min(prompt_tokens, context / 2);
    if (broken("unicode refused") && /[^ -~]/.test(prompt)) return refuse(response, 400, "ASCII only");
    if (body.tools && broken("tools refused")) return refuse(response, 400, "no tools here");
    if (broken("tool result refused") && body.messages.some((one: Body) => one.role === "tool"))
      return refuse(response, 400, "unknown role");
    const id = broken("equal ids") ? "chatcmpl-reference" : `chatcmpl-reference-${++count}`;
    const head = { created: Math.floor(Date.now() / 1000), model: body.model };
    if (body.stream) return chatStream(body, response, gone, { id, ...head }, prompt, prompt_tokens);

    const calls = body.tools && body.messages.at(-1)?.role === "user" ? toolCall(body) : undefined;
    const asJson = body.response_format?.type === "json_object" && !broken("JSON mode ignored");
    const choices = Array.from({ length: broken("n ignored") ? 1 : (body.n ?? 1) }, (_, i) => {
      const { text, tokens, reason } = answerOf(body, i, prompt);
      const content = asJson ? '{"city":"Oslo","country":"Norway"}' : text;
      const wants = body.logprobs && !broken("logprobs missing");
      return {
        tokens,
        index: broken("n with equal indexes") ? 0 : i,
        message: calls
          ? { role: "assistant", content: null, tool_calls: calls }
          : { role: "assistant", content: broken("chat without content") ? "" : content },
        logprobs: wants ? logprobsOf(text, body.top_logprobs ?? 0) : null,
        finish_reason: calls ? "tool_calls" : asJson ? "stop" : reason,
      };
    });
    const completion_tokens = choices.reduce((sum, { tokens }) => sum + tokens, 0);
    await pause(TOKEN_MS * Math.min(completion_tokens, 10));
    const extra = broken("chat with a wrong sum") ? 1 : 0;
    const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens + extra };
    send(response, 200, {
      ...(broken("chat without id") ? {} : { id }),
      object: broken("chat with a wrong object") ? "chat" : "chat.completion",
      ...head,
      choices: choices.map(({ tokens: _, ...choice }) => choice),
      usage,
    });
  }

  async function chatStream(
    body: Body,
    response: ServerResponse,
    gone: () => boolean,
    head: { id: string },
    prompt: string,
    prompt_tokens: number,
  ): Promise<void> {
    const { text, tokens, reason } = answerOf(body, 0, prompt);
    const type = broken("stream as JSON") ? "application/json" : "text/event-stream; charset=utf-8";
    response.writeHead(200, { "content-type": type });
    const blank = broken("stream event without blank line") ? "\n" : "\n\n";
    const event = (choices: unknown[], extra = {}) => {
      const id = broken("stream with many ids") ? `${head.id}-${++count}` : head.id;
      const chunk = { ...head, id, object: "chat.completion.chunk", choices, ...extra };
      response.write(`data: ${JSON.stringify(chunk)}${blank}`);
    };
    const delta = (content: object, finish_reason: string | null = null) =>
      event([{ index: 0, delta: content, finish_reason }]);
    delta({ role: "assistant", content: "" });
    for (const word of text.split(/(?<= )/)) {
      if (gone()) return;
      delta({ content: word });
      await pause(TOKEN_MS);
    }
    if (broken("stream with a broken character")) response.write(Buffer.from([0x3a, 0x20, 0xf0, 0x9f, 0x0a, 0x0a]));
    if (!broken("stream without finish_reason")) delta({}, reason);
    if (broken("stream with two ends")) delta({}, reason);
    if (body.stream_options?.include_usage && !broken("stream without usage")) {
      const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens };
      event(broken("stream usage with choices") ? [{ index: 0, delta: {}, finish_reason: null }] : [], { usage });
    }
    response.end(broken("stream without [DONE]") ? "" : "data: [DONE]\n\n");
  }

  function completion(body: Body, response: ServerResponse): void {
    const { text, tokens, reason } = answerOf(body, 0, String(body.prompt));
    const prompt_tokens = tokensOf(String(body.prompt));
    const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens };
    const choice = {
      index: 0,
      text: broken("completion without text") ? "" : text,
      logprobs: null,
      finish_reason: reason,
    };
    const head = {
      id: `cmpl-reference-${++count}`,
      object: "text_completion",
      created: 1_700_000_000,
      model: body.model,
    };
    send(response, 200, { ...head, choices: [choice], usage });
  }

  function embeddings(body: Body, response: ServerResponse): void {
    const inputs = [body.input].flat().slice(0, broken("embeddings of one input only") ? 1 : undefined);
    const data = inputs.map((text: string, index: number) => {
      const random = randomOf(broken("embeddings all the same") ? 1 : hashOf(text));
      const vector = Array.from({ length: 8 }, () => random() - 0.5);
      return { object: "embedding", index, embedding: broken("embeddings as text") ? vector.map(String) : vector };
    });
    send(response, 200, { object: "list", data, model: body.model, usage: { prompt_tokens: 1, total_tokens: 1 } });
  }

  function metrics(request: IncomingMessage, response: ServerResponse): void {
    if (broken("metrics missing") || broken("metrics need another key")) {
      refuse(response, broken("metrics missing") ? 404 : 401, "not with this key");
      return;
    }
    const names = METRIC_NAMES.map((name) => (broken("metric renamed") ? name.replace("waiting", "queued") : name));
    const accepts = request.headers.accept ?? "";
    const type = accepts.includes("openmetrics") ? "application/openmetrics-text" : "text/plain";
    send(response, 200, `# reference\n${names.map((name) => `vllm:${name}{model="reference"} 1\n`).join("")}`, type);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const path = request.url ?? "";
    const { authorization } = request.headers;
    if (path === "/health") {
      if (broken("health missing")) return refuse(response, 404, "not here");
      if (broken("health needs a key") && !authorization) return refuse(response, 401, "a key is needed");
      return send(response, 200, {});
    }
    const takes =
      (authorization === undefined && broken("missing key taken")) || (authorization && broken("wrong key taken"));
    if (authorization !== `Bearer ${REFERENCE.key}` && !takes) {
      const status = authorization === undefined && broken("missing key as 500") ? 500 : 401;
      const shown = authorization && broken("wrong key shows the right one") ? `, expected ${REFERENCE.key}` : "";
      return refuse(response, status, `the API key is wrong${shown}`);
    }
    if (path === "/metrics") return metrics(request, response);
    if (path === "/v1/models") {
      if (broken("models without data")) return send(response, 200, { object: "list" });
      const ids = [broken("model not listed") ? "another" : REFERENCE.model, REFERENCE.embedding];
      return send(response, 200, {
        object: "list",
        data: ids.map((id) => ({ id, object: "model", owned_by: "reference" })),
      });
    }
    let body: Body;
    try {
      body = JSON.parse(Buffer.concat(parts).toString("utf8"));
    } catch {
      if (broken("bad JSON taken")) return send(response, 200, {});
      return refuse(response, broken("bad JSON as 500") ? 500 : 400, "the body is no JSON");
    }
    if (![REFERENCE.model, REFERENCE.embedding].includes(body.model) && !broken("any model taken"))
      return refuse(response, 404, `the model "${body.model}" does not exist`);
    if (path === "/v1/embeddings") return embeddings(body, response);
    if (path === "/v1/completions") return completion(body, response);
    if (path !== "/v1/chat/completions") return refuse(response, 404, `nothing is at ${path}`);
    if (broken("one request at a time") && busy) return refuse(response, 503, "busy");
    busy = true;
    await slots.take();
    try {
      await chat(body, response, () => response.destroyed && !broken("slots never freed"));
    } finally {
      busy = false;
      // A caller that hung up leaves its slot taken: what an engine does that does not notice.
      if (!(broken("slots never freed") && response.destroyed && body.stream)) slots.give();
    }
  }

  const server: Server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      if (!response.headersSent) refuse(response, 500, error.message);
      else response.destroy();
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
