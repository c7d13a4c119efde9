/** Secrets written into a file, known by their shape. What is found is never shown. */
import type { Path, Report } from "../problems.ts";

/** Beginnings of keys that vendors give out. */
const VENDOR =
  /(?:^|[^A-Za-z0-9])(sk-[A-Za-z0-9_-]{16}|hf_[A-Za-z0-9]{16}|gsk_[A-Za-z0-9]{16}|xai-[A-Za-z0-9]{16}|gh[pousr]_[A-Za-z0-9]{16}|glpat-[A-Za-z0-9_-]{16}|xox[abp]-[A-Za-z0-9-]{16}|AKIA[0-9A-Z]{16})/;
/** A word long enough to be a key. Model names are as long, but have their parts between dashes. */
const LONG = /[A-Za-z0-9+=]{32,}/g;
/** Digests are long and random, and no secret. */
const DIGEST = /sha256:[0-9a-f]{64}/g;
const ENOUGH_BITS = 4;

/** Bits of information in a letter of it, by how often each comes. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

export function looksLikeSecret(text: string): boolean {
  if (VENDOR.test(text)) return true;
  const words = text.replace(DIGEST, "").match(LONG) ?? [];
  return words.some((word) => /[0-9]/.test(word) && /[A-Za-z]/.test(word) && entropy(word) >= ENOUGH_BITS);
}

/** Looks at every text of a document as it was read, known settings or not. */
export function checkLiteralSecrets(document: unknown, report: Report): void {
  const fix =
    "run `pulumi config set --secret NAME`, write ${NAME} as the api_key, and change the key, since it was in a file";
  const pending: { value: unknown; path: Path }[] = [{ value: document, path: [] }];
  while (pending.length > 0) {
    const { value, path } = pending.pop() as { value: unknown; path: Path };
    if (typeof value === "string") {
      // The schema refuses this one with the same words.
      if (path.at(-1) !== "api_key" && looksLikeSecret(value)) report(path, "looks like a secret", fix);
    } else if (Array.isArray(value)) {
      for (const [i, inner] of value.entries()) pending.push({ value: inner, path: [...path, i] });
    } else if (value && typeof value === "object") {
      for (const [key, inner] of Object.entries(value)) {
        if (looksLikeSecret(key)) report(path, "has a name that looks like a secret", fix);
        else if (key !== "secure") pending.push({ value: inner, path: [...path, key] });
      }
    }
  }
}
