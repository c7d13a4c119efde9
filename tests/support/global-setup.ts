import { rm } from "node:fs/promises";
import { stopDaemon } from "../../lab/daemons.ts";
import { hosts } from "../../lab/hosts.ts";
import { bringUp, TEST_LAB } from "./test-lab.ts";

/** Without root there is no lab: a failure where CI is set, a skip on a laptop (see `needsLab`). */
export default async function setUp(): Promise<void> {
  if (process.getuid?.() !== 0) {
    if (process.env.CI)
      throw new Error("the integration tests need root: they make network namespaces and file systems");
    process.env.AI_BACKEND_NO_LAB = "the integration tests need root";
    return;
  }
  // What an interrupted run left behind.
  for (const name of ["registry", "simulated-openai"]) await stopDaemon(TEST_LAB.dir, name);
  await hosts(TEST_LAB, "down", "--wipe").catch(() => {});
  await rm(TEST_LAB.dir, { recursive: true, force: true });
  await bringUp(TEST_LAB);
}
