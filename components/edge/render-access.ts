/** Who may call what, how often, from which pages: the part of HAProxy's configuration that knows the clients. */
import { clientTag, UNRESTRICTED } from "../gateway/client-tag.ts";
import { answer, errorBody, type Line, quoted } from "./haproxy-lines.ts";

export interface EdgeClient {
  name: string;
  /** Names it may ask for; left out: all. */
  models?: string[] | undefined;
  requestsPerMinute?: number | undefined;
  priority: "critical" | "high" | "normal" | "low";
}

export const ACCESS_FILES = { clients: "clients.map", limits: "limits.map", priorities: "priorities.map" } as const;
/** HAProxy serves the lowest class of those that wait first. */
const PRIORITY_CLASS: Record<EdgeClient["priority"], number> = { critical: -200, high: -100, normal: 0, low: 100 };
/** How long a client beyond its limit should wait, seconds. */
const RETRY_AFTER = 10;

/** Scripts of allowed pages may call; the gateway's own permission for everybody is taken away. */
export function crossOrigin(origins: string[]): { before: Line[]; after: Line[] } {
  const withdraw: Line = ["http-after-response", "del-header", "access-control-", "-m", "beg"];
  if (origins.length === 0) return { before: [], after: [withdraw] };
  const known = "{ var(txn.origin) -m found }";
  const preflight = "{ method OPTIONS } { req.hdr(access-control-request-method) -m found }";
  const asked = "%[req.fhdr(access-control-request-headers)]";
  return {
    before: [
      [
        "http-request",
        "set-var(txn.origin)",
        "req.hdr(origin)",
        "if",
        `{ req.hdr(origin) -m str ${origins.join(" ")} }`,
      ],
      // The browser asks first, and without a key.
      [
        ...["http-request", "return", "status", 204, "hdr", "access-control-allow-methods", '"GET, POST"'],
        ...["hdr", "access-control-allow-headers", `"${asked}"`, "hdr", "access-control-max-age", 600],
        ...["if", preflight, known],
      ],
      [
        "http-request",
        "return",
        ...answer(403, errorBody("This origin may not call.", "invalid_request_error", "origin_not_allowed")),
        "if",
        preflight,
      ],
    ],
    after: [
      // Kept from the answer to a browser that asks first; what the gateway says goes.
      ["http-after-response", "del-header", "access-control-allow-origin"],
      ["http-after-response", "del-header", "access-control-allow-credentials"],
      ["http-after-response", "del-header", "access-control-expose-headers"],
      ["http-after-response", "set-header", "access-control-allow-origin", '"%[var(txn.origin)]"', "if", known],
      ["http-after-response", "add-header", "vary", "Origin"],
    ],
  };
}

/** What a client with a list of models sees and gets. */
export function restrictions(clients: EdgeClient[]): { before: Line[]; after: Line[] } {
  const restricted = clients.filter(({ models }) => models !== undefined);
  const names = restricted.map(({ name }) => name).join(" ");
  const is = (those: string) => `{ var(txn.client) -m str ${those} }`;
  const tag = clientTag("%[var(txn.client)]");
  const tags = ["http-request", "set-header", "x-litellm-tags"];
  const refused = errorBody(
    "A provider refuses the gateway's key. Tell your operator.",
    "server_error",
    "provider_refuses_key",
  );
  // A client's key was good: what the gateway calls unauthorized is never the client's key.
  const upstream: Line = ["http-response", "return", ...answer(502, refused), "if", "{ status 401 }"];
  if (restricted.length === 0) return { before: [[...tags, `"${tag},${UNRESTRICTED}"`]], after: [upstream] };
  const barred = errorBody("This key may not use this model.", "invalid_request_error", "model_not_allowed");
  const fromProvider = "{ res.hdr(llm_provider-content-type) -m found }";
  return {
    before: [
      ...restricted.map(({ name, models = [] }): Line => {
        const data = models.map((id) => ({ id, object: "model", created: 0, owned_by: "gateway" }));
        const list = ["status", 200, "content-type", "application/json", "string", quoted({ object: "list", data })];
        return ["http-request", "return", ...list, "if", "{ path /v1/models }", is(name)];
      }),
      [...tags, `"${tag}"`, "if", is(names)],
      [...tags, `"${tag},${UNRESTRICTED}"`, "unless", is(names)],
    ],
    after: [
      ["http-response", "return", ...answer(403, barred), "if", "{ status 401 }", `!${fromProvider}`, is(names)],
      upstream,
    ],
  };
}

/** Requests in any 60 seconds. */
export function rateLimits(clients: EdgeClient[]): Line[] {
  if (clients.every(({ requestsPerMinute }) => requestsPerMinute === undefined)) return [];
  const body = errorBody("Too many requests: your limit a minute is reached.", "requests", "rate_limit_exceeded");
  return [
    ["stick-table", "type", "string", "len", 40, "size", "10k", "expire", "2m", "store", "http_req_rate(60s)"],
    ["http-request", "track-sc0", "var(txn.client)"],
    ["http-request", "set-var(txn.limit)", `var(txn.client),map_str_int(${ACCESS_FILES.limits})`],
    ["http-request", "set-var(txn.rate)", "sc_http_req_rate(0)"],
    [
      ...["http-request", "return", ...answer(429, body), "hdr", "retry-after", RETRY_AFTER],
      ...["if", "{ var(txn.limit) -m found }", "{ var(txn.limit),sub(txn.rate) lt 0 }"],
    ],
  ];
}

/** SHA-256 of a client's key, in hex → its name. */
export function renderClients(hashes: Record<string, string>): string {
  return Object.entries(hashes)
    .sort(([, a], [, b]) => (a < b ? -1 : 1))
    .map(([hash, client]) => `${hash} ${client}\n`)
    .join("");
}

/** Client → requests in any 60 seconds, of those that have a limit. */
export const renderLimits = (clients: EdgeClient[]) =>
  clients.flatMap(({ name, requestsPerMinute: limit }) => (limit === undefined ? [] : [`${name} ${limit}\n`])).join("");

/** Client → its class, of those that are not normal. */
export const renderPriorities = (clients: EdgeClient[]) =>
  clients
    .flatMap(({ name, priority }) => (priority === "normal" ? [] : [`${name} ${PRIORITY_CLASS[priority]}\n`]))
    .join("");
