import { Command } from "commander";
import pc from "picocolors";
import { ensureEngine } from "./engine.ts";
import { CACHE_DIR, PULUMI_HOME } from "./paths.ts";
import { ensurePlugins } from "./plugins.ts";

async function report(json: boolean): Promise<void> {
  const say = (message: string) => process.stderr.write(`${message}\n`);
  const engine = await ensureEngine(say);
  const plugins = await ensurePlugins(engine);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ engine, plugins, pulumiHome: PULUMI_HOME, cache: CACHE_DIR }, null, 2)}\n`,
    );
    return;
  }
  const line = (label: string, text: string) => process.stdout.write(`${label.padEnd(16)} ${text}\n`);
  line("engine", `v${engine.version}, ${engine.origin} (${engine.bin})`);
  for (const plugin of plugins) {
    const kind = plugin.kind === "real" ? pc.green("real") : pc.yellow("STAND-IN (simulated)");
    line(`plugin ${plugin.name}`, `v${plugin.version}, ${kind}: ${plugin.why}`);
  }
  line("Pulumi home", PULUMI_HOME);
  line("cache", CACHE_DIR);
  if (plugins.some((plugin) => plugin.kind === "stand-in")) {
    process.stdout.write(
      "Stand-ins serve lab and test stacks only; any other stack is refused unless AI_BACKEND_STAND_INS_FOR names it.\n",
    );
  }
}

const program = new Command("engine").description(
  "The Pulumi engine and its provider plugins, as this project uses them",
);
for (const [name, what] of [
  ["install", "make the engine and plugins ready: already present, else downloaded, else built"],
  ["doctor", "say which engine and plugins are used, and why"],
] as const) {
  program
    .command(name)
    .description(what)
    .option("--json", "machine-readable output")
    .action((options) => report(options.json === true));
}
program.parseAsync().catch((error: Error) => {
  process.stderr.write(`engine: ${error.message}\n`);
  process.exitCode = 1;
});
