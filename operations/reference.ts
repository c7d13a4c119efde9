/** `npm run reference`: the page and the JSON Schemas of every setting, from the schemas that check them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { NAMESPACE } from "../config/load.ts";
import { Mappings } from "../config/schema/mappings.ts";
import { Providers } from "../config/schema/providers.ts";
import { StackSettings } from "../config/schema/stack.ts";
import { type JsonSchema, renderReference } from "./render-reference.ts";

const jsonSchema = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;

/** A stack file: our settings under their prefix, besides Pulumi's own and the stack's secrets. */
function stackSchema(): JsonSchema {
  const { properties = {}, required = [], ...rest } = jsonSchema(StackSettings);
  const full = (name: string) => `${NAMESPACE}:${name}`;
  const config = {
    ...rest,
    properties: Object.fromEntries(Object.entries(properties).map(([name, schema]) => [full(name), schema])),
    required: required.map(full),
    // Secrets, and settings of other programs.
    patternProperties: { [`^${NAMESPACE}:[A-Z][A-Z0-9_]*$`]: {}, [`^(?!${NAMESPACE}:)`]: {} },
    additionalProperties: false,
  };
  const { $schema, ...inner } = config as JsonSchema;
  return { ...($schema && { $schema }), type: "object", properties: { config: inner }, required: ["config"] };
}

/** File → content. */
export function references(): Record<string, string> {
  const schemas = { stack: stackSchema(), providers: jsonSchema(Providers), "model-mappings": jsonSchema(Mappings) };
  const files = Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      `docs/schema/${name}.json`,
      `${JSON.stringify(schema, null, 2)}\n`,
    ]),
  );
  return { ...files, "docs/settings.md": renderReference(schemas) };
}

/** Exit codes: 0 done, or nothing to do; 1 with --check when a file is not what the schemas say. */
export function main(args: string[], projectDir: string, write: (text: string) => void): number {
  if (args.some((arg) => arg !== "--check")) {
    write("npm run reference [-- --check]   writes docs/settings.md and docs/schema/; --check: only compares\n");
    return args.includes("--help") ? 0 : 2;
  }
  let stale = 0;
  for (const [file, text] of Object.entries(references())) {
    const path = join(projectDir, file);
    let there = "";
    try {
      there = readFileSync(path, "utf8");
    } catch {}
    if (there === text) continue;
    stale++;
    if (args.includes("--check")) write(`${file} is not what the schemas say. Fix: run \`npm run reference\`.\n`);
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      write(`${file} written\n`);
    }
  }
  return args.includes("--check") && stale > 0 ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = main(process.argv.slice(2), process.cwd(), (text) => process.stdout.write(text));
}
