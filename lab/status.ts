import type { Command } from "commander";
import pc from "picocolors";
import type { WhichLab } from "./cli.ts";
import { runningPid } from "./daemons.ts";
import { status } from "./hosts.ts";

export function registerStatus(program: Command, which: WhichLab): void {
  program
    .command("status")
    .description("one line a host, and the lab's own processes")
    .option("--json", "machine-readable output")
    .action(async ({ json }: { json?: boolean }) => {
      const lab = await which();
      const all = await status(lab);
      const daemons = await Promise.all(
        ["registry", "simulated-openai"].map(async (name) => ({
          name,
          pid: (await runningPid(lab.dir, name)) ?? null,
        })),
      );
      if (json) {
        process.stdout.write(`${JSON.stringify({ hosts: all, daemons }, null, 2)}\n`);
        return;
      }
      for (const { name, address, power, link, docker, containers } of all) {
        const shown = power === "on" ? pc.green("on ") : pc.red("off");
        process.stdout.write(
          `${name.padEnd(16)} ${address.padEnd(15)} ${shown} link ${link.padEnd(5)} docker ${docker} containers ${containers}\n`,
        );
      }
      for (const { name, pid } of daemons)
        process.stdout.write(`${name.padEnd(16)} ${pid ? `runs, pid ${pid}` : "is down"}\n`);
    });
}
