/**
 * How the real plugin's bridge treats a property: what Check fills in, what Diff calls
 * a change. It compares the *state* with the new inputs; a removed property that the
 * daemon has a default for ("computed") is no change at all.
 */
import { type Checked, type Context, type Difference, type DiffKind, NO_CHANGE, ProviderError } from "../provider.ts";
import { equal, hasUnknown, isObject, type Properties, pathOf, revealAll, UNKNOWN, type Value } from "../wire.ts";

export interface Property {
  type: "string" | "number" | "bool" | "strings" | "map" | "object" | "objects";
  /** The fields of an object, or of each object in a list. */
  fields?: Schema;
  default?: Value;
  required?: boolean;
  /** A change makes a new resource. */
  replaces?: boolean;
  /** The daemon chooses a value when none is given. */
  computed?: boolean;
  /** The order does not matter. */
  set?: boolean;
  /** A change inside is reported of the property as a whole. */
  whole?: boolean;
  /** How the removal is reported where it is not a DELETE. */
  removal?: DiffKind;
  pattern?: RegExp;
  duration?: boolean;
  minimum?: number;
  /** Where a wrong element's position is left out of the message. */
  unindexed?: boolean;
}
export type Schema = Record<string, Property>;

type Failures = Checked["failures"];

function convert(path: string, value: Value, type: Property["type"]): Value {
  if (type === "number" && typeof value === "string" && value !== UNKNOWN) {
    if (!/^-?\d+$/.test(value)) {
      throw new ProviderError("UNKNOWN", `${path}: strconv.ParseInt: parsing "${value}": invalid syntax`);
    }
    return Number(value);
  }
  return value;
}

function fill(news: Properties, schema: Schema, at: string, failures: Failures, given: string[] = []): Properties {
  const inputs: Properties = {};
  const defaults: string[] = [];
  const fail = (path: string, reason: string) =>
    failures.push({ property: "", reason: `${reason}. Examine values at '${path}'.` });
  for (const [name, raw] of Object.entries(news)) {
    if (name === "__defaults") continue;
    const property = schema[name];
    inputs[name] = raw;
    if (!property) {
      fail(`${at}.${name}`, "Invalid or unknown key");
      continue;
    }
    const value = convert(name, raw, property.type);
    inputs[name] = value;
    if (property.type === "object" && property.fields && isObject(value)) {
      inputs[name] = fill(value, property.fields, `${at}.${name}`, failures);
    } else if (property.type === "objects" && property.fields && Array.isArray(value)) {
      inputs[name] = value.map((item, i) =>
        isObject(item)
          ? fill(
              item,
              property.fields as Schema,
              property.unindexed ? `${at}.${name}#` : `${at}.${name}[${i}]`,
              failures,
            )
          : item,
      );
    }
    const where = at.endsWith("#") ? at.slice(0, -1) : `${at}.${name}`;
    if (property.pattern && typeof value === "string" && value !== UNKNOWN && !property.pattern.test(value)) {
      const why = `'${value}' doesn't match the pattern '${property.pattern.source}'`;
      fail(where, `${why}. ${why}`);
    }
    if (
      property.duration &&
      typeof value === "string" &&
      value !== UNKNOWN &&
      !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)
    ) {
      fail(where, `'${value}' is not a valid duration. '${value}' is not a valid duration`);
    }
    if (property.minimum !== undefined && typeof value === "number" && value < property.minimum) {
      const why = `'${value}' cannot be lower than ${property.minimum}`;
      fail(where, `${why}. ${why}`);
    }
  }
  for (const [name, property] of Object.entries(schema)) {
    if (inputs[name] !== undefined) continue;
    if (property.required && !at.endsWith("#")) {
      const path = `${at}.${name}`;
      const shown = path
        .split(".")
        .slice(1)
        .join(".")
        .replace(/\[(\d+)\]/g, ".$1");
      fail(path, `Missing required argument. The argument "${shown}" is required, but no definition was found.`);
    }
    if (property.default === undefined) continue;
    inputs[name] = property.default;
    defaults.push(name);
  }
  return { __defaults: [...defaults, ...given].sort(), ...inputs };
}

/** Check: defaults, a made-up name where none is given, and what is wrong. */
export function check(olds: Properties, raw: Properties, schema: Schema, context: Context): Checked {
  const news = revealAll(raw) as Properties;
  const named = news.name === undefined && schema.name !== undefined && !schema.name.required;
  if (named) {
    const wasMadeUp = Array.isArray(olds.__defaults) && olds.__defaults.includes("name");
    const letters = "0123456789abcdef";
    const random = Array.from({ length: 7 }, () => letters[Math.floor(Math.random() * 16)]).join("");
    news.name = (wasMadeUp && olds.name) || context.autonaming?.proposedName || `${context.name}-${random}`;
  }
  const failures: Failures = [];
  return { inputs: fill(news, schema, context.name, failures, named ? ["name"] : []), failures };
}

const isEmpty = (value: Value | undefined): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  value === 0 ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.values(value).every(isEmpty));
const isAbsent = (value: Value | undefined) =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

type Found = NonNullable<Difference["detailed"]>;

function compare(path: string, old: Value | undefined, now: Value | undefined, property: Property, found: Found): void {
  const report = (at: string, kind: "ADD" | "DELETE" | "UPDATE") => {
    const inside = at !== path || (kind === "UPDATE" && property.type === "objects");
    const replaces = property.replaces && !(path === "mounts" && inside && kind === "UPDATE");
    found[at] = { kind: replaces ? `${kind}_REPLACE` : kind };
  };
  if (now === undefined) {
    if (property.computed || isEmpty(old)) return;
    if (property.type === "map" && isObject(old))
      for (const key of Object.keys(old)) report(pathOf(path, key), "DELETE");
    else if (property.removal) found[path] = { kind: property.removal };
    else report(path, "DELETE");
    return;
  }
  if (now === UNKNOWN && property.computed && (property.set || property.type === "objects")) return;
  if (same(old, now, property)) return;
  if (isAbsent(old) && now !== UNKNOWN) {
    report(path, property.computed && property.whole ? "UPDATE" : "ADD");
  } else if (property.whole || !(Array.isArray(now) || isObject(now)) || (property.set && hasUnknown(now))) {
    report(path, "UPDATE");
  } else {
    inner(path, old as Value, now, property, report);
  }
}

/** Reports the differing leaves below a list, a map or an object. */
function inner(
  path: string,
  old: Value,
  now: Value,
  property: Property,
  report: (at: string, kind: "ADD" | "DELETE" | "UPDATE") => void,
): void {
  const one = (at: string, a: Value | undefined, b: Value | undefined, field?: Property) => {
    if (field ? same(a, b, field) : equal(a, b)) return;
    if (b === undefined || (isEmpty(b) && !isEmpty(a) && b !== false)) report(at, "DELETE");
    else if (a === undefined) report(at, "ADD");
    else if ((Array.isArray(b) || isObject(b)) && a !== null) inner(at, a, b, field ?? property, report);
    else report(at, "UPDATE");
  };
  if (Array.isArray(now) && Array.isArray(old)) {
    const element = property.fields ? ({ type: "object", fields: property.fields } as Property) : undefined;
    for (let i = 0; i < Math.max(old.length, now.length); i++) one(`${path}[${i}]`, old[i], now[i], element);
  } else if (isObject(now) && isObject(old)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
      if (key === "__defaults" || (property.fields && now[key] === undefined)) continue;
      one(pathOf(path, key), old[key], now[key], property.fields?.[key]);
    }
  }
}

/** Equal as the daemon sees it: a field that is left out equals one that is empty. */
function same(old: Value | undefined, now: Value | undefined, property: Property): boolean {
  if (property.type === "map" && isObject(now) && Object.keys(now).length > 0) return equal(old, now);
  if (isEmpty(old) && isEmpty(now)) return true;
  if (Array.isArray(old) && Array.isArray(now)) {
    if (old.length !== now.length) return false;
    const element: Property = property.fields ? { type: "object", fields: property.fields } : { type: "string" };
    if (!property.set) return old.every((item, i) => same(item, now[i], element));
    const left = [...now];
    return old.every((item) => {
      const i = left.findIndex((other) => same(item, other, element));
      if (i >= 0) left.splice(i, 1);
      return i >= 0;
    });
  }
  if (isObject(old) && isObject(now) && property.fields) {
    return Object.entries(property.fields).every(
      ([name, field]) => now[name] === undefined || same(old[name], now[name], field),
    );
  }
  return equal(old, now);
}

/** Diff: the state against the new inputs. */
export function diff(
  state: Properties,
  raw: Properties,
  schema: Schema,
  context: Context,
  deleteBeforeReplace: boolean,
): Difference {
  const news = revealAll(raw) as Properties;
  const detailed: Found = {};
  for (const [name, property] of Object.entries(schema)) {
    if (!context.ignoreChanges.includes(name)) compare(name, state[name], news[name], property, detailed);
  }
  const paths = Object.keys(detailed);
  if (paths.length === 0) return NO_CHANGE;
  const top = (path: string) => path.split(/[.[]/)[0] as string;
  const replaces = paths.filter((path) => detailed[path]?.kind.endsWith("_REPLACE")).map(top);
  return {
    changes: "DIFF_SOME",
    replaces,
    diffs: [...new Set(paths.map(top))],
    deleteBeforeReplace: deleteBeforeReplace && replaces.length > 0,
    detailed,
    hasDetailedDiff: true,
  };
}

/** The inputs as the state has them: no `__defaults`, every known field present. */
export function plain(value: Value | undefined, property: Property, empty: (field: Property) => Value): Value {
  if (value === undefined || value === null) return null;
  if (property.fields && isObject(value)) {
    return Object.fromEntries(
      Object.entries(property.fields).map(([name, field]) => [
        name,
        value[name] === undefined ? empty(field) : plain(value[name], field, empty),
      ]),
    );
  }
  if (property.fields && Array.isArray(value)) {
    return value.map((item) => plain(item, { type: "object", fields: property.fields }, empty));
  }
  return value;
}
