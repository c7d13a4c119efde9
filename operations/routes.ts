/** `npm run routes`: who answers which name, and what changes for a caller against another stack or commit. */
import { execFileSync } from "node:child_process";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, CommanderError } from "commander";
import { type CompactRoute, compactRoutes } from "../config/compact-routes.ts";
import { checkSettings, type ReadFile } from "../config/load.ts";
import { formatProblem, isError } from "../config/problems.ts";
import { readStackFile, stacksOf } from "../config/stack-file.ts";
import { compareRoutes } from "./compare-routes.ts";
import { renderChanges, renderRoutes } from "./render-routes.ts";

/** A mistake of the one who called: one line, no stack. */
class UsageError extends Error {}

export type Routes = Record<string, CompactRoute>;

/** The routes of a stack, from its files; warnings are for `validate`. */
export function routesOf(projectDir: string, stack: string, readFile?: ReadFile, when = ""): Routes {
  const { config, problems } = readStackFile(projectDir, stack, readFile);
  const checked = config ? checkSettings(config) : { problems };
  if (!("settings" in checked) || !checked.settings) {
    const lines = checked.problems.filter(isError).map((problem) => `  ${formatProblem(problem)}`);
    throw new UsageError(`the settings of "${stack}"${when} have mistakes:\n${lines.join("\n")}`);
  }
  const { table, placement } = checked.settings;
  return compactRoutes(table, (provider) => placement.providers[provider]);
}

/** Reads files as they were in a commit. */
function atCommit(projectDir: string, commit: string): ReadFile {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: projectDir, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  let top: string;
  try {
    top = git("rev-parse", "--show-toplevel").trim();
    git("rev-parse", "--verify", "--end-of-options", `${commit}^{commit}`);
  } catch {
    throw new UsageError(`--against: "${commit}" is neither a stack (${stacksOf(projectDir).join(", ")}) nor a commit`);
  }
  return (path) => {
    try {
      return git("show", `${commit}:${relative(top, path)}`);
    } catch {
      return undefined;
    }
  };
}

/** Exit codes: 0 done, 1 changes with --exit-code, 2 called wrongly or the settings have mistakes. */
export function main(args: string[], projectDir: string, write: (text: string) => void, colour = false): number {
  let code = 0;
  const program = new Command("routes")
    .description(
      "the routing table: model, who answers in which order, within which limits, and the fallbacks by reason",
    )
    .option("--stack <name>", "the stack", "lab")
    .option("--against <stack-or-commit>", "what changes for a caller, from that stack or commit to this")
    .option("--json", "for programs")
    .option("--exit-code", "with --against: 1 when anything changes")
    .configureOutput({ writeOut: write, writeErr: write })
    .exitOverride()
    .action((options: { stack: string; against?: string; json?: boolean; exitCode?: boolean }) => {
      const now = routesOf(projectDir, options.stack);
      if (options.against === undefined) {
        write(options.json ? `${JSON.stringify(now, null, 2)}\n` : renderRoutes(now, colour));
        return;
      }
      const other = options.against;
      const before = stacksOf(projectDir).includes(other)
        ? routesOf(projectDir, other)
        : routesOf(projectDir, options.stack, atCommit(projectDir, other), ` at ${other}`);
      const changes = compareRoutes(before, now);
      write(options.json ? `${JSON.stringify(changes, null, 2)}\n` : renderChanges(changes, colour));
      if (options.exitCode && changes.length > 0) code = 1;
    });
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof UsageError)) throw error;
    write(`routes: ${error.message}\n`);
    return 2;
  }
  return code;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
  process.exitCode = main(process.argv.slice(2), process.cwd(), (text) => process.stdout.write(text), colour);
}
