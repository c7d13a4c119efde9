/**
 * The constants and shapes that resource properties have on Pulumi's wire, and the few
 * things the stand-ins do with them. Source: sdk/go/common/resource/properties.go.
 */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Stands for a value that is not known before an update has run. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** One property value as it travels: JSON, with secrets and unknowns marked. */
export type Value = null | boolean | number | string | Value[] | Properties;
export interface Properties {
  [name: string]: Value;
}

export function isObject(value: Value | undefined): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSecret(value: Value | undefined): value is Properties {
  return isObject(value) && value[SIGNATURE] === SECRET;
}

export function secret(value: Value): Value {
  return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

/** The value without its outermost secret mark. */
export function reveal(value: Value | undefined): Value | undefined {
  return isSecret(value) ? reveal(value.value) : value;
}

/** The value without any secret mark, however deep. */
export function revealAll(value: Value): Value {
  const bare = reveal(value) as Value;
  if (Array.isArray(bare)) return bare.map(revealAll);
  if (!isObject(bare)) return bare;
  return Object.fromEntries(Object.entries(bare).map(([key, inner]) => [key, revealAll(inner)]));
}

export function hasUnknown(value: Value | undefined): boolean {
  const bare = reveal(value);
  if (bare === UNKNOWN) return true;
  if (Array.isArray(bare)) return bare.some(hasUnknown);
  return isObject(bare) && Object.values(bare).some(hasUnknown);
}

export function equal(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => equal(x, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => equal(a[key], b[key]));
}

/** `a.b`, or `a["b-c"]` where the key is no identifier. */
export function pathOf(parent: string, key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `${parent}.${key}` : `${parent}["${key}"]`;
}
