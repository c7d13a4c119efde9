/** `npm run bench`: figures, not tests. Nothing fails when one is bad. Needs root; brings up labs of its own. */
import { Command } from "commander";
import { gatewayOverhead } from "./gateway.ts";
import { previews } from "./previews.ts";

const program = new Command("bench").description("measures on labs of its own, and takes them down");
program
  .command("previews")
  .description("how long a preview takes, and how much memory, by number of hosts")
  .argument("[hosts...]", "how many hosts, each at least 2 (default: 3 20)")
  .action(async (hosts: string[]) => {
    const counts = hosts.map(Number);
    if (counts.some((count) => !(count >= 2))) program.error("error: a number of hosts is 2 or more");
    await previews(counts.length > 0 ? counts : [3, 20]);
  });
program
  .command("gateway")
  .description("what edge and gateway cost a request: against the upstream directly, and against LiteLLM alone")
  .option("--seconds <n>", "of load for each figure", "10")
  .option("--rounds <n>", "how often each is measured, in turn", "3")
  .action(async ({ seconds, rounds }: { seconds: string; rounds: string }) => {
    await gatewayOverhead(Number(seconds), Number(rounds));
  });
await program.parseAsync();
