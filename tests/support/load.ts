/** Steady traffic while something happens, and what came of it. */
import { Agent, get } from "node:http";
import type OpenAI from "openai";

export interface Traffic {
  requests: number;
  streams: number;
  failed: string[];
  worstMs: number;
  p99Ms: number;
}

/** Starts clients that ask one request after another, plain and streamed, until `stop`. */
export function startTraffic(
  client: OpenAI,
  model: string,
  { plain = 4, streams = 2 } = {},
): { stop: () => Promise<Traffic> } {
  let running = true;
  const times: number[] = [];
  const result: Traffic = { requests: 0, streams: 0, failed: [], worstMs: 0, p99Ms: 0 };
  const messages = (text: string) => [{ role: "user" as const, content: text }];
  // Never from the cache: each request must reach the gateway and an engine.
  const fresh = { cache: { "no-cache": true } };

  async function askPlain(n: number): Promise<void> {
    for (let i = 0; running; i++) {
      const began = performance.now();
      try {
        await client.chat.completions.create({ model, messages: messages(`${n}.${i}`), max_tokens: 4, ...fresh });
        result.requests++;
      } catch (error) {
        result.failed.push(`plain: ${(error as Error).message}`);
        await new Promise((wake) => setTimeout(wake, 100));
      }
      times.push(performance.now() - began);
    }
  }
  async function askStream(n: number): Promise<void> {
    for (let i = 0; running; i++) {
      try {
        const stream = await client.chat.completions.create({
          model,
          messages: messages(`s${n}.${i}`),
          stream: true,
          ...fresh,
        });
        let last: string | null = null;
        for await (const chunk of stream) last = chunk.choices[0]?.finish_reason ?? last;
        if (last === null) throw new Error("the stream was cut");
        result.streams++;
      } catch (error) {
        result.failed.push(`stream: ${(error as Error).message}`);
        await new Promise((wake) => setTimeout(wake, 100));
      }
    }
  }
  const all = [
    ...Array.from({ length: plain }, (_, n) => askPlain(n)),
    ...Array.from({ length: streams }, (_, n) => askStream(n)),
  ];
  return {
    stop: async () => {
      running = false;
      await Promise.all(all);
      times.sort((a, b) => a - b);
      result.worstMs = Math.round(times.at(-1) ?? 0);
      result.p99Ms = Math.round(times[Math.floor(times.length * 0.99)] ?? 0);
      return result;
    },
  };
}

/**
 * Clients that keep one connection each, ask for the models, and pause for up to 40 ms: who closes
 * an idle connection meets a request on its way. None of them tries again.
 */
export function startIdleClients(url: string, key: string, count: number) {
  let running = true;
  const came = { answered: 0, failed: {} as Record<string, number> };
  const fail = (reason: string) => {
    came.failed[reason] = (came.failed[reason] ?? 0) + 1;
  };
  const ask = (agent: Agent) =>
    new Promise<void>((done) => {
      const headers = { authorization: `Bearer ${key}` };
      const asked = get(`${url}/models`, { agent, headers }, (answer) => {
        answer.resume();
        answer.on("end", () => {
          if (answer.statusCode === 200) came.answered++;
          else fail(String(answer.statusCode));
          done();
        });
      });
      asked.on("error", (error: NodeJS.ErrnoException) => {
        fail(error.code ?? error.message);
        done();
      });
    });
  const all = Array.from({ length: count }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (running) {
      await ask(agent);
      await new Promise((wake) => setTimeout(wake, Math.random() * 40));
    }
    agent.destroy();
  });
  return {
    stop: async () => {
      running = false;
      await Promise.all(all);
      return came;
    },
  };
}
