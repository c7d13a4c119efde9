/**
 * Which flags a llama-server knows, from its own help.
 *
 *   llama-server --help | tsx tools/engine-flags/llama-flags.ts VERSION > config/engine-flags/llama-server.json
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** Where the help's descriptions begin. */
const COLUMN = 40;

export function flagsOf(help: string): string[] {
  const flags = new Set<string>();
  const lines = help.split("\n");
  for (const [i, line] of lines.entries()) {
    if (!line.startsWith("-") || line.startsWith("-----")) continue;
    const head = line[COLUMN - 1] === " " ? line.slice(0, COLUMN) : line;
    // A flag that is only there to say that it is gone does not count.
    const about = `${line.slice(head.length)} ${lines[i + 1]?.startsWith(" ") ? lines[i + 1] : ""}`;
    if (/argument has been removed/.test(about)) continue;
    for (const [, flag] of head.matchAll(/(?:^|[\s,])(--?[A-Za-z][A-Za-z0-9-]*)/g)) flags.add(flag as string);
  }
  return [...flags].sort();
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [version = ""] = process.argv.slice(2);
  process.stdout.write(`${JSON.stringify({ version, flags: flagsOf(readFileSync(0, "utf8")) }, null, 1)}\n`);
}
