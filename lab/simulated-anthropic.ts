/** A simulated Anthropic upstream: the HTTP and SSE surface of `/v1/messages`, and nothing behind it. */
import type { ServerResponse } from "node:http";
import { type SimulatedUpstream, send, simulatedUpstream, stream, wordsOf } from "./simulated-upstream.ts";

/** What Anthropic says of a status. */
const TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
};

function refuse(response: ServerResponse, status: number, message: string, code?: string): void {
  send(response, status, { type: "error", error: { type: code ?? TYPES[status] ?? "api_error", message } });
}

const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

export function simulatedAnthropic(key: string, models = ["claude-sonnet-4-5"]): SimulatedUpstream {
  let answered = 0;
  return simulatedUpstream(async ({ method, path, headers, body, response, now }) => {
    if (path !== "/v1/messages" || method !== "POST") return false;
    if (headers["x-api-key"] !== key) {
      refuse(response, 401, "invalid x-api-key");
      return true;
    }
    if (!headers["anthropic-version"]) {
      refuse(response, 400, "anthropic-version: header is required");
      return true;
    }
    if (!models.includes(body?.model)) {
      refuse(response, 404, `model: ${body?.model}`);
      return true;
    }
    if (typeof body.max_tokens !== "number") {
      refuse(response, 400, "max_tokens: Field required");
      return true;
    }
    const words = wordsOf(now);
    const usage = { input_tokens: 5, output_tokens: words.length };
    const message = { id: `msg_simulated_${++answered}`, type: "message", role: "assistant", model: body.model };
    if (!body.stream) {
      const content = [{ type: "text", text: words.join("") }];
      send(response, 200, { ...message, content, stop_reason: "end_turn", stop_sequence: null, usage });
      return true;
    }
    const start = {
      ...message,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...usage, output_tokens: 1 },
    };
    const sent = await stream(response, now, [
      event("message_start", { message: start }),
      event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      event("ping", {}),
      ...words.map((text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
      event("content_block_stop", { index: 0 }),
      event("message_delta", {
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: { output_tokens: words.length },
      }),
      event("message_stop", {}),
    ]);
    if (sent) response.end();
    return true;
  }, refuse);
}
