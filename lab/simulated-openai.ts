/**
 * A simulated OpenAI upstream: the HTTP and SSE surface of chat, legacy completions and
 * embeddings, and nothing behind it.
 *
 *   tsx lab/simulated-openai.ts HOST PORT       API key: SIMULATED_OPENAI_KEY
 */
import type { ServerResponse } from "node:http";
import { pathToFileURL } from "node:url";
import {
  type Exchange,
  type SimulatedUpstream,
  send,
  simulatedUpstream,
  stream,
  wordsOf,
} from "./simulated-upstream.ts";

/** What OpenAI says of a status. */
const TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "invalid_request_error",
  404: "invalid_request_error",
  429: "requests",
};

function refuse(response: ServerResponse, status: number, message: string, code: string | null = null): void {
  send(response, status, { error: { message, type: TYPES[status] ?? "server_error", param: null, code } });
}

const now = () => Math.floor(Date.now() / 1000);
const tokensOf = (input: unknown) => JSON.stringify(input ?? "").split(/\s+/).length;

async function chat({ body, response, now: behaviour }: Exchange, id: string): Promise<void> {
  const words = body.response_format?.type === "json_object" ? ['{"simulated":', "true}"] : wordsOf(behaviour);
  const prompt_tokens = tokensOf(body.messages);
  const usage = { prompt_tokens, completion_tokens: words.length, total_tokens: prompt_tokens + words.length };
  const head = { id, created: now(), model: body.model, system_fingerprint: "fp_simulated" };
  const tool = body.tools?.[0]?.function?.name;
  const tool_calls = [
    { id: "call_simulated", type: "function", function: { name: tool, arguments: '{"simulated":1}' } },
  ];
  if (!body.stream) {
    const message = tool
      ? { role: "assistant", content: null, refusal: null, tool_calls }
      : { role: "assistant", content: words.join(""), refusal: null };
    const choice = { index: 0, message, logprobs: null, finish_reason: tool ? "tool_calls" : "stop" };
    return send(response, 200, { ...head, object: "chat.completion", choices: [choice], usage });
  }
  const event = (choices: unknown[], extra = {}) =>
    `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices, ...extra })}\n\n`;
  const delta = (content: object, finish_reason: string | null = null) =>
    event([{ index: 0, delta: content, finish_reason }]);
  const parts = tool
    ? [delta({ tool_calls: tool_calls.map((call) => ({ index: 0, ...call })) }), delta({}, "tool_calls")]
    : [...words.map((word) => delta({ content: word })), delta({}, "stop")];
  const closing = body.stream_options?.include_usage ? [event([], { usage })] : [];
  const all = [delta({ role: "assistant", content: "" }), ...parts, ...closing, "data: [DONE]\n\n"];
  if (await stream(response, behaviour, all)) response.end();
}

/** Numbers that follow from the text: the same text, the same vector. */
function embedding(text: string, dimensions = 8): number[] {
  return Array.from({ length: dimensions }, (_, i) => ((text.charCodeAt(i % text.length) || 1) % 97) / 97);
}

export function simulatedOpenAi(key: string, models = ["gpt-4o", "gpt-4o-mini"]): SimulatedUpstream {
  let answered = 0;
  return simulatedUpstream(async (exchange) => {
    const { method, path, headers, body, response } = exchange;
    if (path === "/v1/models" && method === "GET") {
      const data = models.map((id) => ({ id, object: "model", owned_by: "simulated" }));
      send(response, 200, { object: "list", data });
      return true;
    }
    if (method !== "POST") return false;
    if (headers.authorization !== `Bearer ${key}`) {
      refuse(response, 401, "Incorrect API key provided.", "invalid_api_key");
      return true;
    }
    if (!models.includes(body?.model)) {
      refuse(response, 404, `The model \`${body?.model}\` does not exist`, "model_not_found");
      return true;
    }
    if (path === "/v1/chat/completions") {
      await chat(exchange, `chatcmpl-simulated-${++answered}-${process.pid}`);
      return true;
    }
    if (path === "/v1/completions") {
      const words = wordsOf(exchange.now);
      const choice = { index: 0, text: words.join(""), logprobs: null, finish_reason: "stop" };
      const usage = { prompt_tokens: 1, completion_tokens: words.length, total_tokens: 1 + words.length };
      const head = { id: `cmpl-simulated-${++answered}`, object: "text_completion", created: now(), model: body.model };
      send(response, 200, { ...head, choices: [choice], usage });
      return true;
    }
    if (path === "/v1/embeddings") {
      const input: string[] = [body.input].flat();
      const data = input.map((text, index) => ({ object: "embedding", index, embedding: embedding(String(text)) }));
      const tokens = tokensOf(body.input);
      const usage = { prompt_tokens: tokens, total_tokens: tokens };
      send(response, 200, { object: "list", data, model: body.model, usage });
      return true;
    }
    return false;
  }, refuse);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [host = "127.0.0.1", port = "9100"] = process.argv.slice(2);
  const key = process.env.SIMULATED_OPENAI_KEY;
  if (!key) throw new Error("SIMULATED_OPENAI_KEY is not set");
  simulatedOpenAi(key).server.listen(Number(port), host);
}
