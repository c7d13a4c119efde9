/** Stand-in for the `command` plugin: local:Command and remote:Command. */
import { randomBytes } from "node:crypto";
import {
  type Context,
  type Difference,
  type Existing,
  NO_CHANGE,
  type Provider,
  ProviderError,
  type ResourceType,
} from "../provider.ts";
import { serve } from "../serve.ts";
import { equal, isObject, isSecret, type Properties, pathOf, reveal, revealAll, UNKNOWN, type Value } from "../wire.ts";
import { executeLocally } from "./exec-local.ts";
import { type Connection, executeRemotely } from "./exec-remote.ts";
import { Capture, type Execution, type Outcome } from "./execution.ts";
import { check, LOCAL, REMOTE } from "./schema.ts";

type Kinds = NonNullable<Difference["detailed"]>;

/** Secret marks count: a value that only becomes secret has changed. */
function compare(path: string, old: Value | undefined, now: Value | undefined, found: Kinds): void {
  if (equal(old, now)) return;
  if (old === undefined || now === undefined) {
    const kind = old === undefined ? "ADD" : "DELETE";
    // Only the presence of triggers as a whole replaces; the SDK asks for more by itself.
    found[path] = { kind: path === "triggers" ? `${kind}_REPLACE` : kind };
  } else if (path !== "connection" && Array.isArray(old) && Array.isArray(now)) {
    for (let i = 0; i < Math.max(old.length, now.length); i++) compare(`${path}[${i}]`, old[i], now[i], found);
  } else if (path !== "connection" && isObject(old) && isObject(now) && !isSecret(old) && !isSecret(now)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
      compare(pathOf(path, key), old[key], now[key], found);
    }
  } else {
    found[path] = { kind: "UPDATE" };
  }
}

function diff({ inputs }: Existing, news: Properties, { ignoreChanges }: Context): Difference {
  const detailed: Kinds = {};
  const names = new Set([...Object.keys(inputs), ...Object.keys(news)]);
  for (const name of names) if (!ignoreChanges.includes(name)) compare(name, inputs[name], news[name], detailed);
  const paths = Object.keys(detailed);
  if (paths.length === 0) return NO_CHANGE;
  const top = (path: string) => path.split(/[.[]/)[0] as string;
  return {
    changes: "DIFF_SOME",
    replaces: paths.filter((path) => detailed[path]?.kind.endsWith("_REPLACE")).map(top),
    diffs: [...new Set(paths.map(top))].sort(),
    deleteBeforeReplace: false,
    detailed,
    hasDetailedDiff: true,
  };
}

const text = (value: Value | undefined) => reveal(value) as string | undefined;

type Run = (
  execution: Execution,
  inputs: Properties,
  previous: Record<string, string>,
  context: Context,
) => Promise<Outcome>;

function commandType(fields: typeof LOCAL, owner: string, run: Run): ResourceType {
  const execute = (command: string, inputs: Properties, old: Properties, context: Context) => {
    const keep = inputs.addPreviousOutputInEnv !== false;
    const previous: Record<string, string> = {};
    if (keep && old.stdout !== undefined) previous.PULUMI_COMMAND_STDOUT = String(old.stdout);
    if (keep && old.stderr !== undefined) previous.PULUMI_COMMAND_STDERR = String(old.stderr);
    const execution: Execution = {
      command,
      stdin: text(inputs.stdin),
      environment: revealAll(reveal(inputs.environment) ?? {}) as Record<string, string>,
      signal: context.signal,
      capture: () => new Capture(context.log, text(inputs.logging) ?? "stdoutAndStderr"),
    };
    return run(execution, inputs, previous, context);
  };
  return {
    check: (_olds, news) => check(news, fields, owner),
    diff,
    async create(inputs, context) {
      const id = `${context.name}${randomBytes(4).toString("hex")}`;
      if (context.preview) return { id, properties: { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN } };
      const command = text(inputs.create);
      const outcome = command === undefined ? { stdout: "", stderr: "" } : await execute(command, inputs, {}, context);
      return { id, properties: { ...inputs, ...outcome } };
    },
    async read(existing) {
      return existing;
    },
    async update({ properties }, news, context) {
      if (context.preview) return { ...news, stdout: UNKNOWN, stderr: UNKNOWN };
      const command = text(news.update) ?? text(news.create);
      const kept = { stdout: properties.stdout ?? "", stderr: properties.stderr ?? "" };
      return { ...news, ...(command === undefined ? kept : await execute(command, news, properties, context)) };
    },
    async delete({ properties }, context) {
      const command = text(properties.delete);
      if (command !== undefined) await execute(command, properties, properties, context);
    },
  };
}

const local = commandType(LOCAL, "local.CommandInputs", (execution, inputs, previous) => {
  if (inputs.assetPaths !== undefined || inputs.archivePaths !== undefined) {
    throw new ProviderError("UNIMPLEMENTED", "this simulated plugin does not collect assetPaths or archivePaths");
  }
  const interpreter = (revealAll(inputs.interpreter ?? []) as string[]) ?? [];
  return executeLocally(
    { ...execution, environment: { ...execution.environment, ...previous } },
    { interpreter: interpreter.length > 0 ? interpreter : ["/bin/sh", "-c"], dir: text(inputs.dir) },
  );
});

const remote = commandType(REMOTE, "remote.CommandInputs", (execution, inputs, previous, context) =>
  executeRemotely(execution, revealAll(inputs.connection ?? {}) as unknown as Connection, previous, context.log),
);

const provider: Provider = {
  name: "command",
  version: "1.2.1",
  capabilities: { secrets: true, resources: true, outputs: true, autonaming: false },
  types: { "command:local:Command": local, "command:remote:Command": remote },
  unknownType: (token) => new ProviderError("NOT_FOUND", `Resource '${token.replace(/^command:/, "")}' not found`),
  checkConfig: (news) => ({ inputs: { "__pulumi-go-provider-version": "1.2.0", ...news }, failures: [] }),
  diffConfig: () => {
    throw new ProviderError("UNIMPLEMENTED", "DiffConfig is not implemented");
  },
  configure: async () => {},
};

serve(provider);
