/** A stack's settings from its file alone, without the engine. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NAMESPACE, type ReadFile, type StackConfig } from "./load.ts";
import type { Problem } from "./problems.ts";
import { YamlSource } from "./yaml-source.ts";

const isSecretName = (name: string) => /^[A-Z][A-Z0-9_]*$/.test(name);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Stacks that have a file in a project, by name. */
export const stacksOf = (projectDir: string): string[] =>
  readdirSync(projectDir)
    .flatMap((file) => /^Pulumi\.([A-Za-z0-9._-]+)\.yaml$/.exec(file)?.[1] ?? [])
    .sort();

export interface StackFile {
  config?: StackConfig;
  problems: Problem[];
}

/** What `Pulumi.<stack>.yaml` says; its keys, host keys and secrets may be elsewhere, so lacking ones are warnings. */
export function readStackFile(
  projectDir: string,
  stack: string,
  readFile: ReadFile = (path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
): StackFile {
  const file = `Pulumi.${stack}.yaml`;
  const problem = (message: string, fix: string): StackFile => ({
    problems: [{ file, path: "", rule: "files", message, fix }],
  });
  const text = readFile(join(projectDir, file));
  if (text === undefined) return problem("cannot be read", "name a stack that has such a file");
  const source = new YamlSource(file, text);
  const syntax = source.problems;
  if (syntax.length > 0) return { problems: syntax };
  const document = source.value;
  const config = isObject(document) ? document.config : undefined;
  if (!isObject(config)) return problem("has no config", `add config: with settings as ${NAMESPACE}:hosts`);
  const values: Record<string, unknown> = {};
  const secrets: StackConfig["secrets"] = {};
  for (const [full, value] of Object.entries(config)) {
    if (!full.startsWith(`${NAMESPACE}:`)) continue;
    const name = full.slice(NAMESPACE.length + 1);
    if (isSecretName(name)) secrets[name] = isObject(value) && "secure" in value ? "secret" : "plain";
    else values[name] = value;
  }
  return { config: { stack, projectDir, values, secrets, atHand: "warning", readFile }, problems: [] };
}
