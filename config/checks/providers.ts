/** Providers: what each says must hold together. */
import { isIP } from "node:net";
import type { Path, Report, Severity } from "../problems.ts";
import {
  capabilitiesOf,
  keyVariableOf,
  type ProviderSettings,
  type Providers,
  SECRET_REFERENCE,
} from "../schema/providers.ts";
import type { StackSettings } from "../schema/stack.ts";

/** Engines this program can run, by provider type. */
const MANAGED_TYPES = ["llama_cpp", "ollama", "vllm"];
/** Vendors whose address is known. */
const CLOUD_TYPES = ["openai", "anthropic"];
/** Parts of an address that belong to one call, not to the provider. */
const CALL_PATH = /\/(chat\/completions|completions|embeddings|messages|models)\/*$/;

/** `placement`: who runs where; without it (a folder alone) engines need no place. */
export function checkProviders(
  { providers }: Providers,
  placement: StackSettings["placement"] | undefined,
  report: Report,
): void {
  const variables = new Map<string, string>();
  const urls = new Map<string, string>();
  const connect = new Set(Object.values(providers).map(({ timeouts }) => timeouts.connect_seconds));
  const longest = Math.max(0, ...connect);
  for (const [name, provider] of Object.entries(providers)) {
    const path = ["providers", name];
    const { type, url, engine, api_key, timeouts } = provider;
    if (engine && url) {
      report(
        [...path, "url"],
        "the address of an engine that this program runs follows from its placement",
        "remove url",
      );
    } else if (engine && placement && !placement.providers[name] && provider.status !== "disabled") {
      report(
        [...path, "engine"],
        "has no place to run",
        `add ${name}: HOST under placement.providers of the stack file`,
      );
    } else if (!engine && !url && !CLOUD_TYPES.includes(type)) {
      report(path, "has neither url nor engine", MANAGED_TYPES.includes(type) ? "add one of them" : "add url");
    }
    if (CLOUD_TYPES.includes(type) && !api_key)
      report(path, "has no api_key", `add api_key: \${${type.toUpperCase()}_API_KEY}`);
    if (engine && api_key) report([...path, "api_key"], "an engine's key is made by the stack", "remove api_key");
    if (url) checkUrl(url, provider, [...path, "url"], report);
    const twin = url && urls.get(`${type} ${url}`);
    if (twin) report([...path, "url"], `is the address of "${twin}", too`, "remove one of them", "warning");
    if (url) urls.set(`${type} ${url}`, name);
    const variable = keyVariableOf(name);
    const other = variables.get(variable);
    if (other) report(path, `has the same name as "${other}" but for - and _`, "rename one of them");
    variables.set(variable, name);

    const { first_token_seconds: first, idle_stream_seconds: idle, total_seconds: total } = timeouts;
    if (Math.max(first, idle ?? 0) > total) {
      const message = "a whole request has less time than its first token or a pause in its stream";
      report([...path, "timeouts", "total_seconds"], message, `write ${Math.max(first, idle ?? 0)} or more`);
    }
    if (idle !== undefined && idle !== first) {
      const message = `the gateway has one timer for both, so ${Math.max(idle, first)} s counts`;
      report(
        [...path, "timeouts", "idle_stream_seconds"],
        message,
        "write the same for both, or leave it out",
        "warning",
      );
    }
    if (connect.size > 1 && timeouts.connect_seconds !== longest) {
      const message = `the gateway has one limit for all providers: the largest, ${longest} s`;
      report([...path, "timeouts", "connect_seconds"], message, "write the same for all", "warning");
    }
    checkModels(provider, path, report);
  }
}

function checkModels({ models, engine, rate_limits }: ProviderSettings, path: Path, report: Report): void {
  const seen = new Set<string>();
  for (const [i, model] of models.entries()) {
    const at = [...path, "models", i];
    if (seen.has(model.name))
      report([...at, "name"], `there are two models named "${model.name}"`, "remove one of them");
    seen.add(model.name);
    if (engine?.context_length && model.context_length && model.context_length > engine.context_length) {
      report(
        [...at, "context_length"],
        `is more than the engine's ${engine.context_length} tokens a slot`,
        `raise engine.context_length, or write ${engine.context_length} here`,
      );
    }
    const { context_length = Number.POSITIVE_INFINITY, max_output_tokens = 0 } = model;
    if (max_output_tokens > context_length)
      report([...at, "max_output_tokens"], "is more than its context_length", `write ${context_length} or less`);
    const can = capabilitiesOf(model);
    if (new Set(can).size !== can.length)
      report([...at, "capabilities"], "has a capability twice", "remove one of them");
  }
  const parallel = rate_limits?.max_parallel_requests;
  if (engine && parallel !== undefined && parallel > engine.parallel) {
    report(
      [...path, "rate_limits", "max_parallel_requests"],
      `is more than the ${engine.parallel} requests that the engine answers at once; the others wait in it`,
      `raise engine.parallel, or write ${engine.parallel}`,
      "warning",
    );
  }
}

function checkUrl(text: string, { type, api_key }: ProviderSettings, path: Path, report: Report): void {
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    report(path, "has a name or password in it", "remove it, and use api_key with a stack secret");
  if (url.search !== "" || url.hash !== "") report(path, "has a query or a fragment", "write the base URL only");
  if (url.port === "0") report(path, "has the port 0", "write a port from 1 to 65535");
  if (CALL_PATH.test(url.pathname))
    report(path, "is the address of one call", "write the base URL, as https://HOST/v1");
  if (url.protocol !== "http:" || isPrivate(url.hostname)) return;
  const severity: Severity = api_key || CLOUD_TYPES.includes(type) ? "error" : "warning";
  report(path, "goes over the open internet in clear", "write https", severity);
}

/** Loopback, private and link-local addresses, and names of a site's own. */
function isPrivate(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIP(bare) === 4)
    return /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(
      bare,
    );
  if (isIP(bare) === 6) return /^(::1$|f[cd]|fe[89ab])/i.test(bare);
  return !bare.includes(".") || /\.(local|lan|internal|home|home\.arpa|intranet|private|test)$/i.test(bare);
}

/** `severity`: of a secret that the stack does not have; a warning where the stack may not be at hand. */
export function checkKeys(
  { providers }: Providers,
  secrets: Record<string, "secret" | "plain">,
  stack: string,
  report: Report,
  severity: Severity,
): void {
  for (const [name, { api_key, status }] of Object.entries(providers)) {
    const reference = SECRET_REFERENCE.exec(api_key ?? "")?.[1];
    if (!reference || status === "disabled") continue;
    const command = `run \`pulumi config set --secret ${reference} --stack ${stack}\``;
    const path = ["providers", name, "api_key"];
    if (!Object.hasOwn(secrets, reference)) report(path, `the stack has no secret ${reference}`, command, severity);
    else if (secrets[reference] === "plain")
      report(path, `${reference} is stored in clear`, `${command}, and change the key`);
  }
}
