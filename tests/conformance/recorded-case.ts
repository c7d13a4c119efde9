/** The recorded answers of the real plugins, expanded and compared. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Answer } from "./plugin-client.ts";

// biome-ignore lint/suspicious/noExplicitAny: recorded JSON of any shape
export type Json = any;

export interface Recorded {
  name: string;
  method: string;
  needs: "nothing" | "shell" | "ssh" | "docker";
  request: Json;
  response?: Json;
  error?: { code: string; message: string; details?: { type: string; id: string }[] } | null;
  observed?: Json;
  seconds?: number;
}

/** Replaces `$fixture` references by what they name. */
function expand(value: Json, fixtures: Json): Json {
  if (Array.isArray(value)) return value.map((item) => expand(item, fixtures));
  if (value === null || typeof value !== "object") return value;
  if (value.$fixture === undefined) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, fixtures)]));
  }
  const base = fixtures[value.$fixture];
  if (Array.isArray(base)) return base;
  const all = { ...expand(base, fixtures), ...expand(value.$set ?? {}, fixtures) };
  return Object.fromEntries(Object.entries(all).filter(([key]) => !(value.$unset ?? []).includes(key)));
}

export function load(file: string): { plugin: string; type: string; cases: Recorded[] } {
  const { plugin, type, fixtures, cases } = JSON.parse(
    readFileSync(join(import.meta.dirname, "recorded", `${file}.json`), "utf8"),
  );
  return { plugin, type, cases: cases.map((one: Json) => expand(one, fixtures)) };
}

/** Bridge-internal, or of no consequence to the engine. */
const IGNORED = new Set(["__meta", "__pulumi_raw_state_delta"]);

const leading = (reason: string) => reason.split(/[.;]/)[0];

/** Values the real plugin made up: a placeholder matches anything of its shape. */
const SHAPES: [RegExp, RegExp][] = [
  [/^<name>\+8hex$/, /^.+[0-9a-f]{8}$/],
  [/^(.*)-<7hex>$/, /^.*-[0-9a-f]{7}$/],
  [/^<random:\w+:bcryptHash>$/, /^\$2[aby]\$\d\d\$.{53}$/],
  [/^<bcrypt-hash>$/, /^\$2[aby]\$\d\d\$.{53}$/],
  [/^<random:\w+:\w+>$/, /^.+$/],
];

/** Binds placeholders as they are met; within a file the same one is the same value. */
export class Placeholders {
  readonly #bound = new Map<string, string>();

  bind(placeholder: string, value: string): void {
    this.#bound.set(placeholder, value);
    if (placeholder.startsWith("<id:")) this.#bound.set(`${placeholder.slice(0, -1)}:first 12>`, value.slice(0, 12));
  }

  /** The value with every placeholder that is bound filled in. */
  fill(value: Json): Json {
    if (typeof value === "string") {
      let text = value;
      for (const [placeholder, bound] of this.#bound) text = text.replaceAll(placeholder, bound);
      return text;
    }
    if (Array.isArray(value)) return value.map((item) => this.fill(item));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.fill(item)]));
  }

  /** Where `actual` differs from `expected`, as a path; undefined when it does not. */
  differs(expected: Json, actual: Json, path = ""): string | undefined {
    if (typeof expected === "string" && typeof actual === "string" && this.#matches(expected, actual)) return undefined;
    if (expected === null || typeof expected !== "object" || actual === null || typeof actual !== "object") {
      return isDeepStrictEqual(expected, actual)
        ? undefined
        : `${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
    }
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)].filter((key) => !IGNORED.has(key)));
    for (const key of keys) {
      const found = this.differs(expected[key], actual[key], `${path}.${key}`);
      if (found) return found;
    }
    return undefined;
  }

  #matches(expected: string, actual: string): boolean {
    const filled = this.fill(expected);
    if (filled === actual) return true;
    if (SHAPES.some(([placeholder, shape]) => placeholder.test(filled) && shape.test(actual))) return true;
    // Addresses are given anew to each container: any will do.
    if (/^<(ip|mac):/.test(expected) && actual !== "") return true;
    const whole = /^<(id|ip|mac|image-digest|hex64)[^<>]*>$/.exec(filled);
    if (whole && actual !== "") {
      this.bind(filled, actual);
      return true;
    }
    if (!/<[a-z0-9-]+(:[^<>]*)?>/.test(filled)) return false;
    const pattern = filled
      .split(/<[a-z0-9-]+(?::[^<>]*)?>/)
      .map((part: string) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join("[\\s\\S]*?");
    return new RegExp(`^${pattern}$`).test(actual);
  }
}

const asSet = (names: string[]) => [...new Set(names)].sort();

/** What is wrong with the answer to a case; undefined when it is as recorded. */
export function judge(recorded: Recorded, answer: Answer, placeholders: Placeholders): string | undefined {
  if (recorded.error) {
    if (!answer.error)
      return `expected the error ${recorded.error.code} ${recorded.error.message}, got ${JSON.stringify(answer.response)}`;
    const { code, message, details } = recorded.error;
    const had = answer.error.details ?? [];
    return (
      placeholders.differs({ code, message }, { code: answer.error.code, message: answer.error.message }) ??
      placeholders.differs(
        (details ?? []).map(({ type, id }) => ({ type, id })),
        had.map(({ type, id }) => ({ type, id })),
        "details",
      )
    );
  }
  if (answer.error) return `expected an answer, got the error ${answer.error.code}: ${answer.error.message}`;
  const expected = recorded.response ?? {};
  const actual = answer.response;
  switch (recorded.method) {
    case "Check":
    case "CheckConfig": {
      const reasons = (failures: { property: string; reason: string }[] = []) =>
        failures.map(({ property, reason }) => `${property}: ${leading(reason)}`).sort();
      return (
        placeholders.differs(expected.inputs ?? {}, actual.inputs, "inputs") ??
        placeholders.differs(reasons(expected.failures), reasons(actual.failures), "failures")
      );
    }
    case "Diff":
    case "DiffConfig":
      return placeholders.differs(
        { ...expected, stables: null, replaces: asSet(expected.replaces), diffs: asSet(expected.diffs) },
        { ...actual, stables: null, replaces: asSet(actual.replaces), diffs: asSet(actual.diffs) },
      );
    case "Read":
      if (expected.id === "") return placeholders.differs("", actual.id, "id");
      return placeholders.differs(expected, actual);
    default:
      return placeholders.differs(expected, actual);
  }
}
