/** HAProxy's configuration, built from typed lines. */
import { answer, errorBody, section } from "./haproxy-lines.ts";
import { ACCESS_FILES, crossOrigin, type EdgeClient, rateLimits, restrictions } from "./render-access.ts";

export interface EdgeSettings {
  /** Bytes of a request body at most. */
  maxBodyBytes: number;
  /** A whole request, streams included, seconds. */
  requestTimeoutSeconds: number;
  clients: EdgeClient[];
  /** Web pages whose scripts may call, as https://chat.example.com. */
  allowedOrigins: string[];
}

export const EDGE_FILES = { config: "haproxy.cfg", ...ACCESS_FILES } as const;
/** Paths a client may call. Everything else of the gateway (keys, models, health, admin) stays inside. */
const INFERENCE_PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models"];
export function renderHaproxy(settings: EdgeSettings): string {
  const { maxBodyBytes, requestTimeoutSeconds } = settings;
  const cors = crossOrigin(settings.allowedOrigins);
  const models = restrictions(settings.clients);
  const unavailable = errorBody("No gateway is available. Try again.", "server_error", "gateway_unavailable");
  return [
    section("global", [
      ["maxconn", 4000],
      ["log", "stdout", "format", "raw", "local0"],
      ["stats", "socket", "/run/haproxy/admin.sock", "mode", 600, "level", "admin", "expose-fd", "listeners"],
      // Where the gateway was when the edge last ran: a restart finds it again.
      ["server-state-file", "/edge/state/servers"],
      // File names below are relative to this file, so that a check reads the release it checks.
      ["default-path", "config"],
      ["hard-stop-after", `${requestTimeoutSeconds}s`],
    ]),
    section("resolvers docker", [
      ["nameserver", "dns", "127.0.0.11:53"],
      ["resolve_retries", 3],
      ["timeout", "resolve", "500ms"],
      ["timeout", "retry", "500ms"],
      ["hold", "valid", "500ms"],
      ["hold", "obsolete", "5s"],
    ]),
    section("defaults", [
      ["mode", "http"],
      ["log", "global"],
      ["option", "httplog"],
      ["timeout", "connect", "2s"],
      ["timeout", "client", `${requestTimeoutSeconds}s`],
      ["timeout", "server", `${requestTimeoutSeconds}s`],
      // Half-sent requests (slowloris) are dropped.
      ["timeout", "http-request", "10s"],
      // Longer than common clients keep an idle connection (4 to 5 s), so they end it, and shorter than a
      // new gateway takes to start: none is left on a worker of before when the old gateway goes.
      ["timeout", "http-keep-alive", "10s"],
      // A reload leaves idle connections their next answer, with `connection: close`. Closed at once, a
      // request that was just on its way would be lost.
      ["option", "idle-close-on-response"],
      ["timeout", "queue", "30s"],
      ["retries", 3],
      ["option", "redispatch", 1],
      // Only what never reached the gateway is sent again.
      ["retry-on", "conn-failure", "empty-response"],
      ["load-server-state-from-file", "global"],
      ...[502, 503, 504].map((status) => ["http-error", ...answer(status, unavailable)]),
    ]),
    section("frontend api", [
      ["bind", ":4000"],
      // Asked every two seconds: not worth a line each.
      ["http-request", "set-log-level", "silent", "if", "{ path /healthz }"],
      [
        "http-request",
        "return",
        "status",
        200,
        "content-type",
        "text/plain",
        "string",
        "ok",
        "if",
        "{ path /healthz }",
      ],
      ...cors.before,
      [
        "http-request",
        "set-var(txn.client)",
        `req.hdr(authorization),word(2,' '),sha2(256),hex,lower,map_str(${EDGE_FILES.clients})`,
      ],
      [
        "http-request",
        "return",
        ...answer(401, errorBody("Incorrect API key provided.", "invalid_request_error", "invalid_api_key")),
        "hdr",
        "WWW-Authenticate",
        "Bearer",
        "unless",
        "{ var(txn.client) -m found }",
      ],
      [
        "http-request",
        "return",
        ...answer(404, errorBody("Unknown request URL.", "invalid_request_error", "unknown_url")),
        "unless",
        `{ path ${INFERENCE_PATHS.join(" ")} }`,
      ],
      [
        "http-request",
        "return",
        ...answer(413, errorBody("The request is too large.", "invalid_request_error", "request_too_large")),
        "if",
        `{ req.hdr_val(content-length) gt ${maxBodyBytes} }`,
      ],
      ...rateLimits(settings.clients),
      ["http-request", "set-priority-class", `var(txn.client),map_str_int(${EDGE_FILES.priorities},0)`],
      // What a client sends under these names is never believed.
      ["http-request", "del-header", "x-litellm-", "-m", "beg"],
      ...models.before,
      ["http-request", "set-header", "authorization", '"Bearer %[env(GATEWAY_KEY)]"'],
      ...models.after,
      ...cors.after,
      ["default_backend", "gateway"],
    ]),
    section("backend gateway", [
      ["option", "httpchk"],
      ["http-check", "send", "meth", "GET", "uri", "/health/readiness"],
      // A busy gateway answers its check late: without a time of its own that would count as dead after 500 ms.
      ["timeout", "check", "5s"],
      ["default-server", "inter", "500ms", "fall", 3, "rise", 1],
      // Which container this is, is said over the admin socket: that moves traffic without losing a request.
      ["server", "gateway", "unset:4000", "check", "resolvers", "docker", "init-addr", "last,none"],
    ]),
  ].join("\n");
}
