import OpenAI from "openai";

/** A gateway host that was just switched on has a gateway that still starts. */
const START_MS = 60_000;

/** Waits while the edge answers 503: no gateway is up yet. */
async function gatewayUp(client: OpenAI): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; ) {
    const status = await client.models.list().then(
      () => 200,
      (error) => error.status,
    );
    if (status !== 503) return;
    await new Promise((wake) => setTimeout(wake, 500));
  }
}

/** Asks every model once, at the same time. Throws with those that do not answer. */
export async function smoke(url: string, key: string, models: string[]): Promise<string> {
  const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 60_000 });
  await gatewayUp(client);
  const results = await Promise.all(
    models.map(async (model) => {
      const began = performance.now();
      try {
        const messages = [{ role: "user" as const, content: "ping" }];
        await client.chat.completions.create({ model, messages, max_tokens: 8 });
        return { model, ms: Math.round(performance.now() - began) };
      } catch (error) {
        return { model, failed: (error as Error).message };
      }
    }),
  );
  const failed = results.filter((one) => "failed" in one);
  if (failed.length > 0)
    throw new Error(failed.map(({ model, failed: why }) => `${model} does not answer: ${why}`).join("; "));
  return results.map(({ model, ms }) => `${model} ${ms} ms`).join(", ");
}
