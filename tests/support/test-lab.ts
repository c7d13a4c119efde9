/** A lab of the tests' own, beside one that may be running: other addresses, other names, other folder. */
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopDaemon } from "../../lab/daemons.ts";
import { hosts } from "../../lab/hosts.ts";
import type { LabSettings } from "../../lab/settings.ts";
import { groundSteps } from "../../lab/up.ts";

export const TEST_LAB: LabSettings = {
  dir: process.env.AI_BACKEND_TEST_LAB ?? join(tmpdir(), "ai-backend-test-lab"),
  tag: "abt",
  net: "10.89.0",
  hosts: { gateway: 10, observability: 11, gpu1: 12 },
};

/** Another, for the plugins alone: their tests run beside those of the backend. */
export const PLUGIN_LAB: LabSettings = {
  dir: join(tmpdir(), "ai-backend-test-plugins"),
  tag: "abp",
  net: "10.92.0",
  hosts: { gateway: 10, observability: 11 },
};

/** Runs the lab's own steps, one line a step. */
export async function bringUp(lab: LabSettings): Promise<void> {
  await mkdir(lab.dir, { recursive: true, mode: 0o700 });
  for (const { title, run } of groundSteps(lab, "gpu1" in lab.hosts ? ["gpu1"] : [])) {
    const began = Date.now();
    const done = await run((message) => process.stderr.write(`  ${title}: ${message}\n`));
    process.stderr.write(
      `test lab: ${title}${done ? `: ${done}` : ""} [${((Date.now() - began) / 1000).toFixed(1)} s]\n`,
    );
  }
}

/** Ends a lab and removes everything of it. */
export async function takeDown(lab: LabSettings): Promise<void> {
  for (const name of ["registry", "simulated-openai"]) await stopDaemon(lab.dir, name);
  await hosts(lab, "down", "--wipe").catch(() => {});
  await rm(lab.dir, { recursive: true, force: true });
}
