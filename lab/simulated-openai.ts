/**
 * A simulated OpenAI upstream: the HTTP and SSE surface of chat completions, and nothing
 * behind it. Its failures are programmed over `PUT /_simulation` (see Behaviour).
 *
 *   tsx lab/simulated-openai.ts HOST PORT       API key: SIMULATED_OPENAI_KEY
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pathToFileURL } from "node:url";

/** What goes wrong, until it is programmed otherwise. All off: every request is answered. */
export interface Behaviour {
  /** Answer with this HTTP status and OpenAI's error shape. */
  status?: number;
  /** Wait before the first byte, milliseconds. */
  delayMs?: number;
  /** Never answer; the connection stays open. */
  hang?: boolean;
  /** Break the connection after this many stream chunks. */
  cutAfterChunks?: number;
  /** Answer 200 with something that is no JSON. */
  garbage?: boolean;
  /** Time between stream chunks, milliseconds. Default 20. */
  chunkDelayMs?: number;
  /** The words of an answer. Default 8. */
  words?: number;
  /** Only the next so many requests misbehave. Default: all. */
  times?: number;
}

const MODELS = ["gpt-4o", "gpt-4o-mini"];
const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    .end(text);
}

const fail = (response: ServerResponse, status: number, message: string, type: string, code: string | null) =>
  send(response, status, { error: { message, type, param: null, code } });

export function simulatedOpenAi(key: string) {
  let behaviour: Behaviour = {};
  let served = 0;

  const next = (): Behaviour => {
    const now = behaviour;
    if (now.times !== undefined && --now.times <= 0) behaviour = {};
    return now;
  };

  async function complete(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${key}`) {
      return fail(response, 401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key");
    }
    let asked: {
      model?: string;
      messages?: { content?: unknown }[];
      stream?: boolean;
      stream_options?: { include_usage?: boolean };
    };
    try {
      asked = JSON.parse(await bodyOf(request));
    } catch {
      return fail(response, 400, "We could not parse the JSON body of your request.", "invalid_request_error", null);
    }
    if (!asked.model || !MODELS.includes(asked.model)) {
      return fail(
        response,
        404,
        `The model \`${asked.model}\` does not exist`,
        "invalid_request_error",
        "model_not_found",
      );
    }
    const now = next();
    if (now.hang) return;
    if (now.delayMs) await pause(now.delayMs);
    if (now.status) return fail(response, now.status, `simulated failure ${now.status}`, "server_error", null);
    if (now.garbage) return send(response, 200, "<html>not what you asked for</html>");

    served++;
    const id = `chatcmpl-simulated-${served}`;
    const created = Math.floor(Date.now() / 1000);
    const words = Array.from({ length: now.words ?? 8 }, (_, i) => (i === 0 ? "simulated" : ` word${i}`));
    const prompt_tokens = JSON.stringify(asked.messages ?? "").split(/\s+/).length;
    const usage = { prompt_tokens, completion_tokens: words.length, total_tokens: prompt_tokens + words.length };
    const head = { id, created, model: asked.model, system_fingerprint: "fp_simulated" };
    if (!asked.stream) {
      const message = { role: "assistant", content: words.join(""), refusal: null };
      return send(response, 200, {
        ...head,
        object: "chat.completion",
        choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
        usage,
      });
    }
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
    const event = (choices: unknown[], extra = {}) =>
      response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices, ...extra })}\n\n`);
    event([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]);
    for (const [i, word] of words.entries()) {
      if (response.destroyed) return;
      if (now.cutAfterChunks !== undefined && i >= now.cutAfterChunks) {
        response.destroy();
        return;
      }
      await pause(now.chunkDelayMs ?? 20);
      event([{ index: 0, delta: { content: word }, finish_reason: null }]);
    }
    event([{ index: 0, delta: {}, finish_reason: "stop" }]);
    if (asked.stream_options?.include_usage) event([], { usage });
    response.end("data: [DONE]\n\n");
  }

  return createServer(async (request, response) => {
    try {
      const path = request.url?.split("?")[0];
      if (path === "/_simulation" && request.method === "PUT") {
        behaviour = JSON.parse(await bodyOf(request));
        return send(response, 200, behaviour);
      }
      if (path === "/_simulation") return send(response, 200, { behaviour, served });
      if (path === "/v1/models") {
        return send(response, 200, {
          object: "list",
          data: MODELS.map((id) => ({ id, object: "model", owned_by: "simulated" })),
        });
      }
      if (path === "/v1/chat/completions" && request.method === "POST") return await complete(request, response);
      return fail(
        response,
        404,
        `Unknown request URL: ${request.method} ${path}`,
        "invalid_request_error",
        "unknown_url",
      );
    } catch (error) {
      if (!response.headersSent) fail(response, 500, (error as Error).message, "server_error", null);
    }
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [host = "127.0.0.1", port = "9100"] = process.argv.slice(2);
  const key = process.env.SIMULATED_OPENAI_KEY;
  if (!key) throw new Error("SIMULATED_OPENAI_KEY is not set");
  simulatedOpenAi(key).listen(Number(port), host);
}
