/** `npm run validate`: everything that is wrong in the settings, without the engine. */
import { pathToFileURL } from "node:url";
import { Command, CommanderError, Option } from "commander";
import { checkFolder, checkSettings } from "../config/load.ts";
import { isError, type Problem } from "../config/problems.ts";
import { readStackFile, stacksOf } from "../config/stack-file.ts";
import { FORMATS, type Format, renderProblems } from "./render-problems.ts";

/** What was looked at, and what is wrong there. */
export interface Validation {
  what: string[];
  problems: Problem[];
}

export function validateStack(projectDir: string, stack: string): Problem[] {
  const { config, problems } = readStackFile(projectDir, stack);
  return config ? checkSettings(config).problems : problems;
}

/** Exit codes: 0 nothing wrong (warnings are not wrong), 1 errors, 2 called wrongly. */
export function main(args: string[], projectDir: string, write: (text: string) => void, colour = false): number {
  let code = 0;
  const program = new Command("validate")
    .description("everything that is wrong in the settings, with place, reason and fix; needs neither engine nor hosts")
    .option("--stack <name>", "the settings of this stack (default: every Pulumi.<stack>.yaml here)")
    .option("--dir <folder>", "providers.yaml and model-mappings.yaml of this folder, without a stack")
    .addOption(new Option("--format <format>", "how problems are written").choices(FORMATS).default("text"))
    .option("--strict", "warnings count as errors")
    .configureOutput({ writeOut: write, writeErr: write })
    .exitOverride()
    .action((options: { stack?: string; dir?: string; format: Format; strict?: boolean }) => {
      if (options.stack !== undefined && options.dir !== undefined)
        program.error("error: --stack and --dir exclude each other", { exitCode: 2 });
      const { what, problems } = look(projectDir, options);
      const counted = options.strict ? problems.map(({ severity: _, ...rest }) => rest) : problems;
      write(renderProblems(counted, options.format, what, colour));
      code = counted.some(isError) ? 1 : 0;
    });
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
  return code;
}

function look(projectDir: string, { stack, dir }: { stack?: string; dir?: string }): Validation {
  if (dir !== undefined) return { what: [dir], problems: checkFolder(dir.replace(/\/+$/, ""), projectDir).problems };
  const stacks = stack === undefined ? stacksOf(projectDir) : [stack];
  if (stacks.length === 0) {
    const problem = { message: "there is no Pulumi.<stack>.yaml here", fix: "run it in the project's folder" };
    return { what: [], problems: [{ file: projectDir, path: "", rule: "files", ...problem }] };
  }
  return { what: stacks, problems: stacks.flatMap((one) => validateStack(projectDir, one)) };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
  process.exitCode = main(process.argv.slice(2), process.cwd(), (text) => process.stdout.write(text), colour);
}
