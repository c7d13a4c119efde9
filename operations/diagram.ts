/** `npm run diagram -- --stack S`: the picture of a stack, from its settings alone. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { NAMESPACE } from "../config/load.ts";
import { Mappings } from "../config/schema/mappings.ts";
import { Providers } from "../config/schema/providers.ts";
import { StackSettings } from "../config/schema/stack.ts";
import { renderDiagram } from "./render-diagram.ts";

export function diagramOf(projectDir: string, stack: string): string {
  const read = (file: string) => parse(readFileSync(join(projectDir, file), "utf8"));
  const config: Record<string, unknown> = read(`Pulumi.${stack}.yaml`).config;
  const values = Object.fromEntries(
    Object.entries(config)
      .map(([key, value]) => [key.replace(`${NAMESPACE}:`, ""), value] as const)
      .filter(([key]) => !/^[A-Z]/.test(key)), // secrets
  );
  const settings = StackSettings.parse(values);
  const dir = settings.configDir ?? `config/${stack}`;
  return renderDiagram(
    stack,
    settings,
    Providers.parse(read(`${dir}/providers.yaml`)),
    Mappings.parse(read(`${dir}/model-mappings.yaml`)),
  );
}

/** The command line: prints the picture, or says how it is used. Returns the exit code. */
export function main(args: string[], projectDir: string, write: (text: string) => void): number {
  const options = { stack: { type: "string", default: "lab" }, help: { type: "boolean" } } as const;
  try {
    const { values } = parseArgs({ args, options });
    write(
      values.help
        ? "npm run diagram -- [--stack S]   a stack as a Mermaid flowchart (default: lab)\n"
        : diagramOf(projectDir, values.stack),
    );
    return 0;
  } catch (error) {
    write(`diagram: ${(error as Error).message.split("\n")[0]}\n`);
    return 1;
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  process.exitCode = main(process.argv.slice(2), process.cwd(), (text) => process.stdout.write(text));
}
