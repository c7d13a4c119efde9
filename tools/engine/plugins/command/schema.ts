import type { Checked } from "../provider.ts";
import { isObject, type Properties, reveal, secret, UNKNOWN, type Value } from "../wire.ts";

type Kind = "string" | "bool" | "float64" | "any" | "strings" | "anys" | "texts" | "connection";

const COMMAND: Record<string, Kind> = {
  create: "string",
  update: "string",
  delete: "string",
  stdin: "string",
  logging: "string",
  addPreviousOutputInEnv: "bool",
  environment: "texts",
  triggers: "anys",
};
export const LOCAL: Record<string, Kind> = {
  ...COMMAND,
  dir: "string",
  interpreter: "strings",
  assetPaths: "strings",
  archivePaths: "strings",
};
export const REMOTE: Record<string, Kind> = { ...COMMAND, connection: "connection" };

const CONNECTION: Record<string, Kind> = {
  host: "string",
  port: "float64",
  user: "string",
  password: "string",
  privateKey: "string",
  privateKeyPassword: "string",
  agentSocketPath: "string",
  hostKey: "string",
  dialErrorLimit: "float64",
  perDialTimeout: "float64",
  proxy: "connection",
};
const SECRETS = ["password", "privateKey", "privateKeyPassword"];
const DEFAULTS: Properties = { dialErrorLimit: 10, perDialTimeout: 15, port: 22, user: "root" };

const nameOf = (value: Value) =>
  Array.isArray(value)
    ? "array"
    : typeof value === "number"
      ? "float64"
      : typeof value === "boolean"
        ? "bool"
        : typeof value;

/** What is wrong with one value, in the real plugin's words; nothing when it fits. */
function wrong(path: string, value: Value, kind: Kind, owner: string): { property: string; reason: string }[] {
  const bare = reveal(value) as Value;
  const mistyped = (wanted: string, at = path, got = bare) => [
    { property: at, reason: `Field '${at}' on '${owner}' must be a '${wanted}'; got '${nameOf(got)}' instead` },
  ];
  if (bare === UNKNOWN || kind === "any") return [];
  if (kind === "anys") return Array.isArray(bare) ? [] : mistyped("array");
  if (kind === "strings") {
    if (!Array.isArray(bare)) return mistyped("array");
    return bare.flatMap((item, i) => wrong(`${path}[${i}]`, item, "string", owner));
  }
  if (kind === "texts") {
    if (!isObject(bare)) return mistyped("object");
    return Object.entries(bare).flatMap(([key, item]) => wrong(`${path}[${key}] value`, item, "string", owner));
  }
  if (kind === "connection") {
    const inside = isObject(bare) ? wrongConnection(bare) : [`must be an object; got '${nameOf(bare)}'`];
    if (inside.length === 0) return [];
    const reason = `An error occurred decoding 'CommandInputs.${path}': ${inside.length} failures decoding:\n\t${inside.join("\n\t")}`;
    return [{ property: path, reason }];
  }
  return nameOf(bare) === kind ? [] : mistyped(kind);
}

function wrongConnection(connection: Properties): string[] {
  const owner = "remote.Connection";
  const missing = connection.host === undefined ? [`host: Missing required field 'host' on '${owner}'`] : [];
  return [
    ...missing,
    ...Object.entries(connection).flatMap(([key, value]) => {
      const kind = CONNECTION[key];
      if (!kind) return [`${key}: Unrecognized field '${key}' on '${owner}'`];
      return wrong(key, value, kind, owner).map(({ reason }) => `${key}: ${reason}`);
    }),
  ];
}

const hidden = (connection: Properties, defaults: boolean): Properties => {
  const proxy = reveal(connection.proxy);
  const filled: Properties = { ...(defaults ? DEFAULTS : {}), ...connection };
  if (isObject(proxy)) filled.proxy = hidden(proxy, defaults);
  for (const name of SECRETS) if (filled[name] !== undefined) filled[name] = secret(filled[name]);
  return filled;
};

export function check(news: Properties, fields: Record<string, Kind>, owner: string): Checked {
  const failures = Object.entries(news).flatMap(([name, value]) => {
    const kind = fields[name];
    if (!kind) return [{ property: name, reason: `Unrecognized field '${name}' on '${owner}'` }];
    return wrong(name, value, kind, owner);
  });
  if (fields.connection && news.connection === undefined) {
    failures.push({ property: "connection", reason: `Missing required field 'connection' on '${owner}'` });
  }
  const inputs = { ...news };
  const connection = reveal(news.connection);
  if (isObject(connection)) inputs.connection = secret(hidden(connection, failures.length === 0));
  return { inputs, failures };
}
