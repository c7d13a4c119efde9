import { Command } from "commander";
import { registerDown } from "./down.ts";
import { registerHost } from "./host-command.ts";
import { DEFAULTS, type LabSettings, parseHosts, remembered } from "./settings.ts";
import { registerStatus } from "./status.ts";
import { registerUp } from "./up.ts";

const program = new Command("lab")
  .description("Several real machines on this one, and the whole backend on them. Without a command: up.")
  .option("--dir <folder>", "folder of the lab's keys, disks and state", DEFAULTS.dir)
  .option("--net <octets>", "first three octets of its /24 (default 10.88.0)")
  .option("--tag <prefix>", "prefix of its namespaces and links, 1 to 8 characters (default ab)")
  .option("--hosts <list>", "its hosts, as name:octet,… (default gateway:10,observability:11,gpu1:12)")
  .showHelpAfterError("(npm run lab -- --help lists the commands)");

/** The lab that the options name. */
export type WhichLab = () => Promise<LabSettings>;
const which: WhichLab = async () => {
  const { dir, net, tag, hosts } = program.opts<Record<"dir" | "net" | "tag" | "hosts", string | undefined>>();
  return remembered(dir ?? DEFAULTS.dir, {
    ...(net && { net }),
    ...(tag && { tag }),
    ...(hosts && { hosts: parseHosts(hosts) }),
  });
};

registerUp(program, which);
registerDown(program, which);
registerStatus(program, which);
registerHost(program, which);

program.parseAsync().catch((error: Error) => {
  process.stderr.write(`lab: ${error.message}\n`);
  process.exitCode = 1;
});
