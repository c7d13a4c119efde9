import { join } from "node:path";
import type { Command } from "commander";
import { execa } from "execa";
import type { WhichLab } from "./cli.ts";
import { hosts } from "./hosts.ts";
import { addressOf, type LabSettings } from "./settings.ts";

const VERBS: Record<string, { what: string; run: (lab: LabSettings, name: string) => Promise<unknown> }> = {
  cut: { what: "power cut: every process dies at once", run: (lab, name) => hosts(lab, "cut", name) },
  boot: { what: "switch it on and wait until it is ready", run: (lab, name) => hosts(lab, "boot", name) },
  halt: { what: "orderly shutdown", run: (lab, name) => hosts(lab, "halt", name) },
  "link-down": { what: "unplug its network cable", run: (lab, name) => hosts(lab, "link", name, "down") },
  "link-up": { what: "plug it in again", run: (lab, name) => hosts(lab, "link", name, "up") },
};

export function registerHost(program: Command, which: WhichLab): void {
  program.enablePositionalOptions();
  const host = program.command("host").description("do something to one host").enablePositionalOptions();
  const known = async (name: string) => {
    const lab = await which();
    if (!(name in lab.hosts))
      throw new Error(`no host is named "${name}" (there are ${Object.keys(lab.hosts).join(", ")})`);
    return lab;
  };
  for (const [verb, { what, run }] of Object.entries(VERBS)) {
    host
      .command(`${verb} <name>`)
      .description(what)
      .action(async (name: string) => {
        await run(await known(name), name);
        process.stdout.write(`${name}: ${verb} done\n`);
      });
  }
  host
    .command("ssh <name> [command...]")
    .description("a shell on it, or one command")
    .passThroughOptions()
    .action(async (name: string, command: string[]) => {
      const lab = await known(name);
      const result = await execa("ssh", ["-F", join(lab.dir, "ssh_config"), addressOf(lab, name), ...command], {
        stdio: "inherit",
        reject: false,
      });
      process.exitCode = result.exitCode ?? 1;
    });
}
