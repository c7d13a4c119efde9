import { rm } from "node:fs/promises";
import { stopDaemon } from "../../lab/daemons.ts";
import { hosts } from "../../lab/hosts.ts";
import { TEST_LAB } from "./test-lab.ts";

export default async function tearDown(): Promise<void> {
  if (process.env.AI_BACKEND_NO_LAB || process.env.AI_BACKEND_KEEP_TEST_LAB) return;
  for (const name of ["registry", "simulated-openai"]) await stopDaemon(TEST_LAB.dir, name);
  await hosts(TEST_LAB, "down", "--wipe");
  await rm(TEST_LAB.dir, { recursive: true, force: true });
}
