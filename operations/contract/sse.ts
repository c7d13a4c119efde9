/** Server-sent events as bytes: what a strict client sees of a stream. */
import { insist, type Session, Violation } from "./endpoint.ts";

export interface Streamed {
  status: number;
  contentType: string;
  /** The `data:` of each event, in order; `[DONE]` included. */
  events: string[];
  /** Milliseconds from the request to each event. */
  times: number[];
}

/** Asks for a stream and reads it to its end, or until `enough` says so. */
export async function readStream(
  session: Session,
  body: object,
  enough?: (events: number) => boolean,
): Promise<Streamed> {
  const began = performance.now();
  const stop = new AbortController();
  const response = await fetch(`${session.endpoint.url}/chat/completions`, {
    method: "POST",
    headers: session.headers(),
    body: JSON.stringify({ ...body, stream: true }),
    signal: AbortSignal.any([stop.signal, session.limit()]),
  });
  const streamed: Streamed = {
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    events: [],
    times: [],
  };
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  const take = (text: string) => {
    // Lines end with LF, CRLF or CR; an empty one ends an event.
    const events = (rest + text).split(/\r\n\r\n|\n\n|\r\r/);
    rest = events.pop() ?? "";
    for (const event of events) {
      const data = dataOf(event);
      if (data === undefined) continue;
      streamed.events.push(data);
      streamed.times.push(performance.now() - began);
    }
  };
  const reader = response.body?.getReader();
  insist(reader, "the stream has no body");
  for (;;) {
    const { done, value } = await reader.read();
    try {
      take(done ? decoder.decode() : decoder.decode(value, { stream: true }));
    } catch {
      throw new Violation("the stream is no valid UTF-8: a character is broken");
    }
    if (done) break;
    if (enough?.(streamed.events.length)) {
      stop.abort();
      return streamed;
    }
  }
  insist(rest.trim() === "", `the stream ends in the middle of an event: ${rest.slice(0, 80)}`);
  return streamed;
}

/** The data of one event; undefined for a comment. */
function dataOf(event: string): string | undefined {
  const data: string[] = [];
  for (const line of event.split(/\r\n|\n|\r/)) {
    if (line === "" || line.startsWith(":")) continue;
    const [, field, value = ""] = /^([a-z]+)(?:: ?(.*))?$/.exec(line) ?? [];
    insist(field !== undefined, `a line of the stream is no server-sent event: ${line.slice(0, 80)}`);
    if (field === "data") data.push(value);
    else insist(["event", "id", "retry"].includes(field), `the stream has an unknown field "${field}"`);
  }
  return data.length > 0 ? data.join("\n") : undefined;
}
