/**
 * What the simulated upstreams share: an HTTP server whose failures are programmed, and which
 * remembers what it was asked. `PUT /_simulation` takes a Behaviour, `GET /_simulation` tells
 * how many requests were answered and shows the last of them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What goes wrong, until it is programmed otherwise. All off: every request is answered. */
export interface Behaviour {
  /** Answer with this HTTP status and the vendor's error shape. */
  status?: number;
  /** The error's machine-readable kind, as `context_length_exceeded`; with `status`. */
  code?: string;
  /** The error's words; with `status`. */
  message?: string;
  /** Share of requests that misbehave, from 0 to 1; every n-th, not by chance. Default 1. */
  share?: number;
  /** Wait before the first byte, milliseconds. */
  delayMs?: number;
  /** Never answer; the connection stays open. */
  hang?: boolean;
  /** Break the connection after this many stream chunks. */
  cutAfterChunks?: number;
  /** Stop sending after this many stream chunks; the connection stays open. */
  stallAfterChunks?: number;
  /** Answer 200 with something that is no JSON. */
  garbage?: boolean;
  /** Time between stream chunks, milliseconds. Default 20. */
  chunkDelayMs?: number;
  /** The words of an answer. Default 8. */
  words?: number;
  /** Only the next so many requests misbehave. Default: all. */
  times?: number;
  /** Only requests for this model misbehave. Default: all. */
  model?: string;
}

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  // biome-ignore lint/suspicious/noExplicitAny: whatever a client sends
  body: any;
}

export interface Exchange extends Asked {
  response: ServerResponse;
  /** What this request is to suffer; empty when nothing. */
  now: Behaviour;
}

export const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

export function send(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    .end(text);
}

/** The words of an answer, as a vendor would cut them into tokens. */
export const wordsOf = (now: Behaviour) =>
  Array.from({ length: now.words ?? 8 }, (_, i) => (i === 0 ? "simulated" : ` word${i}`));

/** Sends a stream's chunks in time, unless the behaviour cuts or stalls it. True when all were sent. */
export async function stream(response: ServerResponse, now: Behaviour, chunks: string[]): Promise<boolean> {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  for (const [i, chunk] of chunks.entries()) {
    if (response.destroyed) return false;
    if (now.stallAfterChunks !== undefined && i >= now.stallAfterChunks) return false;
    if (now.cutAfterChunks !== undefined && i >= now.cutAfterChunks) {
      response.destroy();
      return false;
    }
    response.write(chunk);
    await pause(now.chunkDelayMs ?? 20);
  }
  return true;
}

export interface SimulatedUpstream {
  server: Server;
  /** Programs what goes wrong from now on. */
  program: (behaviour: Behaviour) => void;
  /** Requests answered without misbehaving. */
  served: () => number;
  /** Every request of the surface, misbehaving or not. */
  asked: () => number;
  /** The last requests, oldest first. */
  requests: () => Asked[];
  /** Ends it at once, connections too. */
  close: () => Promise<void>;
}

/** `handle` answers one request; false means that the surface has no such path. */
export function simulatedUpstream(
  handle: (exchange: Exchange) => Promise<boolean | undefined> | boolean | undefined,
  refuse: (response: ServerResponse, status: number, message: string, code?: string) => void,
): SimulatedUpstream {
  let behaviour: Behaviour = {};
  let served = 0;
  let asked = 0;
  const requests: Asked[] = [];
  const sockets = new Set<Socket>();

  const next = (model: unknown): Behaviour => {
    const now = behaviour;
    if (now.model !== undefined && now.model !== model) return {};
    if (now.share !== undefined && Math.floor(asked * now.share) === Math.floor((asked - 1) * now.share)) return {};
    if (now.times !== undefined && --now.times <= 0) behaviour = {};
    return now;
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split("?")[0] ?? "";
    let text = "";
    for await (const chunk of request) text += chunk;
    if (path === "/_simulation") {
      if (request.method === "PUT") behaviour = JSON.parse(text);
      return send(response, 200, { behaviour, served, asked, requests });
    }
    // biome-ignore lint/suspicious/noExplicitAny: whatever a client sends
    let body: any;
    try {
      body = text === "" ? undefined : JSON.parse(text);
    } catch {
      return refuse(response, 400, "We could not parse the JSON body of your request.");
    }
    const method = request.method ?? "";
    if (method === "POST") {
      asked++;
      requests.push({ method, path, headers: request.headers, body });
      if (requests.length > 50) requests.shift();
    }
    const now = method === "POST" ? next(body?.model) : {};
    if (now.hang) return;
    if (now.delayMs) await pause(now.delayMs);
    if (now.status) return refuse(response, now.status, now.message ?? `simulated failure ${now.status}`, now.code);
    if (now.garbage) return send(response, 200, "<html>not what you asked for</html>");
    const known = await handle({ method, path, headers: request.headers, body, response, now });
    if (known === false) return refuse(response, 404, `Unknown request URL: ${method} ${path}`, "unknown_url");
    if (method === "POST" && response.statusCode === 200) served++;
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      if (!response.headersSent) refuse(response, 500, error.message);
      else response.destroy();
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  return {
    server,
    program: (next) => {
      behaviour = { ...next };
    },
    served: () => served,
    asked: () => asked,
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
