/**
 * Loads the program's .ts files and nothing else: what lies in node_modules keeps Node's own,
 * fast way. A general loader (tsx) takes every module through its hooks, which costs a preview
 * a second.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

export async function load(url, context, nextLoad) {
  if (!url.startsWith("file:") || !url.endsWith(".ts")) return nextLoad(url, context);
  const file = fileURLToPath(url);
  const { code } = await transform(await readFile(file, "utf8"), {
    loader: "ts",
    format: "esm",
    target: "node20",
  });
  return { format: "module", source: code, shortCircuit: true };
}
