/** Checks of streams, and of many requests at once. */
import { needs } from "./check-answers.ts";
import { Chunk, excerpt, insist, parse, type Session } from "./endpoint.ts";
import { readStream, type Streamed } from "./sse.ts";

const QUESTION = "Tell a long story about a lighthouse, its keeper, and the ship that never came.";

function chunksOf({ events }: Streamed) {
  return events
    .filter((data) => data !== "[DONE]")
    .map((data) => {
      let body: unknown;
      try {
        body = JSON.parse(data);
      } catch {
        insist(false, `an event's data is no JSON: ${excerpt(data)}`);
      }
      return parse(Chunk, body, "stream chunk");
    });
}

export async function streaming(session: Session): Promise<string> {
  needs(session, "chat");
  const streamed = await readStream(session, session.chatBody(QUESTION, { max_tokens: 24 }));
  insist(streamed.status === 200, `a stream is answered with ${streamed.status}`);
  insist(/^text\/event-stream\b/.test(streamed.contentType), `the stream's content type is "${streamed.contentType}"`);
  insist(streamed.events.at(-1) === "[DONE]", `the last event is not [DONE]: ${excerpt(streamed.events.at(-1))}`);
  insist(streamed.events.filter((data) => data === "[DONE]").length === 1, "[DONE] comes more than once");
  const chunks = chunksOf(streamed);
  insist(chunks.length >= 2, `the stream has ${chunks.length} chunks`);
  const ids = new Set(chunks.map(({ id }) => id));
  insist(ids.size === 1, `the chunks of one stream have ${ids.size} ids`);
  const choices = chunks.flatMap(({ choices: list }) => list);
  insist(
    choices.some(({ delta }) => (delta.content ?? "").length > 0),
    "no chunk has content",
  );
  const ends = choices.filter(({ finish_reason }) => finish_reason);
  insist(ends.length === 1, `${ends.length} chunks have a finish_reason, expected one`);
  insist(choices.at(-1)?.finish_reason, "content comes after the finish_reason");
  return `first event after ${Math.round(streamed.times[0] ?? 0)} ms`;
}

/** The official client reads the stream too, and finds the same text that the usage counts. */
export async function streamUsage(session: Session): Promise<string> {
  needs(session, "chat");
  const asked = session.chatBody(QUESTION, { max_tokens: 12, stream_options: { include_usage: true } });
  const chunks = chunksOf(await readStream(session, asked));
  const withUsage = chunks.filter(({ usage }) => usage);
  const last = chunks.at(-1);
  insist(last?.usage, "include_usage was asked for, and the last chunk has no usage");
  insist(last.choices.length === 0, "the usage chunk has choices");
  insist(last.usage.completion_tokens > 0, "the stream's usage counts no tokens");
  insist(last.usage.completion_tokens <= 12, `max_tokens 12 streams ${last.usage.completion_tokens} tokens`);
  let text = "";
  const stream = await session.client.chat.completions.create({
    model: session.model,
    messages: [{ role: "user", content: QUESTION }],
    max_tokens: 12,
    stream: true,
  });
  for await (const part of stream) text += part.choices[0]?.delta.content ?? "";
  insist(text.length > 0, "the official client reads no text from the stream");
  return `${last.usage.completion_tokens} tokens${withUsage.length > 1 ? ", usage in every chunk" : ""}`;
}

const AT_ONCE = 8;

export async function concurrent(session: Session): Promise<string> {
  needs(session, "chat");
  const began = performance.now();
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, i) => session.chat(`${QUESTION} Number ${i}.`, { max_tokens: 8 })),
  );
  const ids = new Set(answers.map(({ id }) => id));
  insist(ids.size === AT_ONCE, `${AT_ONCE} requests at once have ${ids.size} ids`);
  return `${AT_ONCE} in ${Math.round(performance.now() - began)} ms`;
}

/** How long a slot may stay taken after its caller hung up, milliseconds. */
const FREE_WITHIN_MS = 5000;

export async function cancelled(session: Session): Promise<string> {
  needs(session, "chat");
  const short = async () => {
    const began = performance.now();
    await session.chat("Say yes.", { max_tokens: 1 });
    return performance.now() - began;
  };
  const alone = await short();
  // More than any slots of it: who is not let in waits behind those who hung up.
  const room = (session.endpoint.contextLength ?? 4096) - 64;
  const long = session.chatBody(QUESTION, { max_tokens: Math.min(4096, Math.max(64, room)) });
  const limit = Math.max(FREE_WITHIN_MS, 10 * alone);
  const hungUp = Promise.all(Array.from({ length: AT_ONCE }, () => readStream(session, long, (events) => events >= 2)));
  const free = await Promise.race([
    hungUp.then(short),
    new Promise<number>((resolve) => setTimeout(resolve, limit, Number.POSITIVE_INFINITY).unref()),
  ]);
  hungUp.catch(() => {}); // those that still wait end with the session's own limit
  insist(
    free <= limit,
    `${AT_ONCE} callers hung up as soon as they read, and within ${Math.round(limit)} ms not all and a short request after them were let in: slots stay taken`,
  );
  return `answered ${Math.round(free)} ms after ${AT_ONCE} callers hung up`;
}
