import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "@jest/globals";

/** Compares a text with its kept copy, byte for byte. UPDATE_GOLDEN=1 writes the copy anew. */
export function expectGolden(name: string, text: string): void {
  const file = join(import.meta.dirname, "..", "unit", "golden", name);
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
}
