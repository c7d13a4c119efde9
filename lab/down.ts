import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { WhichLab } from "./cli.ts";
import { stopDaemon } from "./daemons.ts";
import { hosts } from "./hosts.ts";

export function registerDown(program: Command, which: WhichLab): void {
  program
    .command("down")
    .description("power every host off and take the network away")
    .option("--wipe", "also remove the hosts' disks, keys, and the stack's state")
    .action(async ({ wipe }: { wipe?: boolean }) => {
      const lab = await which();
      await stopDaemon(lab.dir, "simulated-openai");
      await stopDaemon(lab.dir, "registry");
      await hosts(lab, "down", ...(wipe ? ["--wipe"] : []));
      if (wipe)
        for (const name of ["state", "client.key", "lab.json", "run"])
          await rm(join(lab.dir, name), { recursive: true, force: true });
      process.stdout.write(
        wipe
          ? "The lab is down and wiped.\n"
          : "The lab is down; its disks and state are kept. `npm run lab` brings it back.\n",
      );
    });
}
