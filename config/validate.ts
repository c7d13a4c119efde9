/** One document against its schema: the value, or every problem with its position. */
import type { z } from "zod";
import { nearest, type Problem } from "./problems.ts";
import type { YamlSource } from "./yaml-source.ts";

type Issue = z.core.$ZodIssue;
type Path = (string | number)[];

interface Definition {
  type: string;
  innerType?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  valueType?: z.ZodType;
  element?: z.ZodType;
  options?: z.ZodType[];
}

/** A schema's definition, below its defaults and its optionality. */
function definitionOf(schema: z.ZodType | undefined): Definition | undefined {
  const definition = schema?._zod.def as unknown as Definition | undefined;
  return definition?.innerType ? definitionOf(definition.innerType) : definition;
}

/** The keys a schema accepts at a path, for suggestions. */
function keysAt(schema: z.ZodType | undefined, path: Path): string[] {
  const here = definitionOf(schema);
  if (here?.type === "union") return (here.options ?? []).flatMap((option) => keysAt(option, path));
  if (path.length === 0) return Object.keys(here?.shape ?? {});
  const inner = here?.shape?.[path[0] as string] ?? here?.valueType ?? here?.element;
  return inner ? keysAt(inner, path.slice(1)) : [];
}

const kindOf = (value: unknown) =>
  value === null || value === undefined ? "nothing" : Array.isArray(value) ? "a list" : typeof value;
const WANTED: Record<string, string> = {
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  int: "a whole number",
  number: "a number",
};

/** Keys that are elsewhere here, or have another name: what to write instead. */
const INSTEAD: Record<string, string> = {
  gpuMemoryMiB: "write gpus: { count: 1, memoryMiB: … }",
  model_path: "write model: { path: … }",
  timeout_seconds: "write timeouts: { total_seconds: … }",
  ttlSeconds: "write cache: { ttl: … } in model-mappings.yaml",
  max_budget_per_month: "write max_budget with budget_duration: 30d",
  max_parallel_requests: "write it under rate_limits of a provider, or under litellm_settings.model_limits",
  default: "write default_model",
  fallbacks: "write fallback_chain under the route",
  model_list: "models belong to their provider in providers.yaml; the gateway's list is made from it",
  router_settings: "write retries, cooldown_seconds and allowed_fails under routing",
  queue: "remove it: the gateway has no queue yet; priority of a client is in the stack file",
};

/** One zod issue as problems: what, and what to do about it. Values are never echoed. */
function explain(issue: Issue, schema: z.ZodType, input: unknown): { at: Path; message: string; fix: string }[] {
  const path = issue.path as Path;
  const at = path;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => {
        const valid = keysAt(schema, path);
        const near = nearest(key, valid);
        const fix = Object.hasOwn(INSTEAD, key)
          ? (INSTEAD[key] as string)
          : near
            ? `write "${near}"`
            : valid.length > 0
              ? `remove it; known here: ${[...new Set(valid)].sort().join(", ")}`
              : "remove it";
        return { at: [...path, key], message: "unknown setting", fix };
      });
    case "invalid_type": {
      if ((issue.expected as string) === "never") {
        const fix = "remove it and give a url, or use type llama_cpp, ollama or vllm";
        return [{ at, message: "this program runs no engine of this type", fix }];
      }
      const wanted = WANTED[issue.expected] ?? `a ${issue.expected}`;
      const value = valueAt(input, path);
      if (value === undefined) return [{ at, message: "is missing", fix: `add it; it must be ${wanted}` }];
      return [{ at, message: `must be ${wanted}, and is ${kindOf(value)}`, fix: `write ${wanted}` }];
    }
    case "invalid_value": {
      const value = valueAt(input, path);
      const valid = issue.values.map(String);
      if (value === undefined) return [{ at, message: "is missing", fix: `add it: ${valid.join(", ")}` }];
      const near = typeof value === "string" ? nearest(value, valid) : undefined;
      return [{ at, message: `must be ${valid.join(" or ")}`, fix: near ? `write "${near}"` : `write ${valid[0]}` }];
    }
    case "invalid_union": {
      const value = valueAt(input, path);
      if (issue.discriminator) {
        const valid = typesOf(issue);
        if (value === undefined) return [{ at, message: "is missing", fix: `add it: ${valid.join(", ")}` }];
        const near = typeof value === "string" ? nearest(value, valid) : undefined;
        const fix = near ? `write "${near}"` : `write ${valid[0]}`;
        return [{ at, message: `must be ${valid.join(" or ")}`, fix }];
      }
      return [{ at, message: "must be a number, or all", fix: "write 0 for none" }];
    }
    case "invalid_key":
      return issue.issues.map((inner) => ({ at, message: `as a name, it ${inner.message}`, fix: "rename it" }));
    default:
      return [{ at, message: issue.message, fix: fixFor(issue) }];
  }
}

function fixFor(issue: Issue): string {
  if (issue.code === "too_big") return `write ${issue.maximum} or less`;
  if (issue.code === "too_small") return issue.origin === "array" ? "add one" : `write ${issue.minimum} or more`;
  if (issue.message.startsWith("LiteLLM's keys are hashes"))
    return "write {model}:{prompt_hash}, or PREFIX:{model}:{prompt_hash}";
  if (issue.message.includes("never the key itself")) {
    return "run `pulumi config set --secret NAME`, and write ${NAME} here; then change the key, since it was in a file";
  }
  return "write it as described";
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<string | number, unknown> | undefined)?.[step], input);
}

type Discriminated = Issue & { code: "invalid_union"; discriminator: string; options?: unknown[] };
const isDiscriminated = (issue: Issue): issue is Discriminated =>
  issue.code === "invalid_union" && issue.discriminator !== undefined;
const typesOf = (issue: Issue) => (issue as { options?: unknown[] }).options?.map(String) ?? [];

/**
 * A mapping whose type is wrong is not looked at any further by its schema. What else is wrong in it
 * is said too: by the type under which the least is.
 */
function insideOf<T extends z.ZodType>(schema: T, input: unknown, issue: Discriminated): Issue[] {
  const place = issue.path.slice(0, -1) as Path;
  const tries = typesOf(issue).map((type) => {
    const copy = structuredClone(input);
    (valueAt(copy, place) as Record<string, unknown>)[issue.discriminator] = type;
    const inside = (one: Issue) => place.every((step, i) => one.path[i] === step);
    return schema.safeParse(copy).error?.issues.filter(inside) ?? [];
  });
  return tries.sort((one, other) => one.length - other.length)[0] ?? [];
}

/** The input without what the issues are about; a list without one of its parts would have its places wrong, so it goes. */
function without(input: unknown, issues: Issue[]): unknown {
  const copy = structuredClone(input);
  for (const issue of issues) {
    const unknown = issue.code === "unrecognized_keys";
    let path = unknown ? (issue.path as Path) : (issue.path as Path).slice(0, -1);
    let keys: Path = unknown ? issue.keys : (issue.path.slice(-1) as Path);
    if (Array.isArray(valueAt(copy, path))) [path, keys] = [path.slice(0, -1), path.slice(-1)];
    const holder = valueAt(copy, path);
    if (holder && typeof holder === "object")
      for (const key of keys) delete (holder as Record<string | number, unknown>)[key];
  }
  return copy;
}

export interface Validated<T> {
  problems: Problem[];
  /**
   * The document; where there are problems, what is left of it without them, so that the
   * checks between documents still see the rest. Missing when too little is left.
   */
  value?: T;
}

export function validate<T extends z.ZodType>(schema: T, source: YamlSource, input: unknown): Validated<z.infer<T>> {
  const result = schema.safeParse(input);
  if (result.success) return { problems: [], value: result.data };
  const found = result.error.issues;
  const issues = [...found, ...found.filter(isDiscriminated).flatMap((issue) => insideOf(schema, input, issue))];
  const rest = schema.safeParse(without(input, issues));
  return {
    problems: issues.flatMap((issue) =>
      explain(issue, schema, input).map(({ at, message, fix }) => ({
        ...source.at(at),
        path: at.join("."),
        rule: "schema",
        message,
        fix,
      })),
    ),
    ...(rest.success && { value: rest.data }),
  };
}
