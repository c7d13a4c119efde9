import { createHash } from "node:crypto";

/** The same for equal data however it was written: keys are sorted. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    sorted.filter(([, inner]) => inner !== undefined).map(([key, inner]) => [key, canonical(inner)]),
  );
}

/** A short digest, for names and labels. 64 bits: these name things, they prove nothing. */
export function digestOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(canonical(value));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
