/** Checks of errors, and of what stands beside the API: health and metrics. */
import { type EngineKind, excerpt, insist, NotApplicable, type Session } from "./endpoint.ts";

const post = (session: Session, body: string, headers?: Record<string, string>) =>
  session.raw(`${session.endpoint.url}/chat/completions`, body, headers);

export async function unknownModel(session: Session): Promise<string> {
  const body = { ...session.chatBody("hello", { max_tokens: 1 }), model: "no-such-model-anywhere" };
  return session.refused(await post(session, JSON.stringify(body)), [400, 404], "a model that is not there");
}

export async function badJson(session: Session): Promise<string> {
  return session.refused(await post(session, '{"model": "x", "messages": ['), [400], "a body that is no JSON");
}

export async function missingKey(session: Session): Promise<string> {
  if (session.endpoint.key === undefined) throw new NotApplicable("no key was given: it asks for none");
  const body = JSON.stringify(session.chatBody("hello", { max_tokens: 1 }));
  const answer = await post(session, body, { "content-type": "application/json" });
  return session.refused(answer, [401], "a request without a key");
}

export async function wrongKey(session: Session): Promise<string> {
  if (session.endpoint.key === undefined) throw new NotApplicable("no key was given: it asks for none");
  const body = JSON.stringify(session.chatBody("hello", { max_tokens: 1 }));
  const answer = await post(session, body, session.headers("sk-this-key-is-wrong"));
  const { key } = session.endpoint;
  insist(!answer.text.includes(key), "the error shows the right key");
  return session.refused(answer, [401, 403], "a wrong key");
}

/** Where an engine says that it is well, beside `/v1`. Probes have no key. */
const HEALTH: Partial<Record<EngineKind, string>> = { vllm: "/health", llama_cpp: "/health", ollama: "/api/version" };

export async function health(session: Session): Promise<string> {
  const path = HEALTH[session.endpoint.engine];
  if (path === undefined) throw new NotApplicable("it has no health endpoint of its own");
  const { status, text } = await session.raw(`${session.root}${path}`, undefined, {});
  insist(status === 200, `${path} answers ${status} without a key: ${excerpt(text)}`);
  return path;
}

/** Series that dashboards and alerts ask for, by engine: families, without `_bucket`, `_sum`, `_count`. */
export const METRICS: Partial<Record<EngineKind, readonly string[]>> = {
  vllm: [
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_hits_total",
    "vllm:prefix_cache_queries_total",
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:num_preemptions_total",
    "vllm:request_success_total",
  ],
  llama_cpp: [
    "llamacpp:prompt_tokens_total",
    "llamacpp:prompt_seconds_total",
    "llamacpp:tokens_predicted_total",
    "llamacpp:tokens_predicted_seconds_total",
    "llamacpp:n_decode_total",
    "llamacpp:n_tokens_max",
    "llamacpp:prompt_tokens_seconds",
    "llamacpp:predicted_tokens_seconds",
    "llamacpp:requests_processing",
    "llamacpp:requests_deferred",
    "llamacpp:n_busy_slots_per_decode",
  ],
};

export async function metrics(session: Session): Promise<string> {
  const wanted = METRICS[session.endpoint.engine];
  if (wanted === undefined) throw new NotApplicable("it has no metrics");
  const { status, text } = await session.raw(`${session.root}/metrics`);
  insist(status === 200, `/metrics answers ${status}: ${excerpt(text)}`);
  const there = new Set<string>();
  for (const line of text.split("\n")) {
    const name = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{|\s)/.exec(line)?.[1];
    if (name) there.add(name).add(name.replace(/_(bucket|sum|count)$/, ""));
  }
  const missing = wanted.filter((name) => !there.has(name));
  insist(missing.length === 0, `/metrics lacks ${missing.join(", ")}`);
  return `${wanted.length} series`;
}
