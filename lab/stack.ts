/** The lab's Pulumi stack: its environment, its secrets, its updates. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { PROJECT_DIR, PULUMI_HOME } from "../tools/engine/paths.ts";
import type { LabSettings } from "./settings.ts";

/**
 * The passphrase of the lab stack. It is public on purpose: `Pulumi.lab.yaml` carries the
 * salt that belongs to it, its keys and passwords are made anew with every lab, and its state
 * lies in a folder that only root reads. No other stack may use it.
 */
const PASSPHRASE = "lab";
/** What the simulated upstream asks for; `Pulumi.lab.yaml` holds it as the secret OPENAI_API_KEY. */
export const UPSTREAM_KEY = "simulated-openai-key";

export interface Stack {
  name: string;
  /** Folder of Pulumi.yaml. */
  project: string;
  env: Record<string, string>;
}

export function stackEnvironment(lab: LabSettings): Record<string, string> {
  return {
    PULUMI_HOME,
    PULUMI_BACKEND_URL: `file://${join(lab.dir, "state")}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: join(lab.dir, "passphrase"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
}

/** Writes what a shell needs for plain `npx pulumi`: source it once. */
export async function writeEnvironment(lab: LabSettings): Promise<string> {
  await mkdir(join(lab.dir, "state"), { recursive: true, mode: 0o700 });
  await writeFile(join(lab.dir, "passphrase"), PASSPHRASE, { mode: 0o600 });
  const file = join(lab.dir, "env");
  const lines = Object.entries(stackEnvironment(lab)).map(([name, value]) => `export ${name}='${value}'`);
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

export const pulumi = (stack: Stack, args: string[], onLine?: (line: string) => void) => {
  const child = execa("node", [join(PROJECT_DIR, "node_modules/pulumi/run.js"), ...args, "--non-interactive"], {
    cwd: stack.project,
    env: stack.env,
    reject: false,
    all: true,
  });
  if (onLine) {
    let pending = "";
    child.all?.on("data", (data) => {
      const lines = (pending + data).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
  }
  return child;
};

/** Makes the stack unless it exists. */
export async function ensureStack(stack: Stack): Promise<void> {
  if ((await pulumi(stack, ["stack", "select", stack.name])).exitCode === 0) return;
  const made = await pulumi(stack, ["stack", "init", stack.name]);
  if (made.exitCode !== 0) throw new Error(`the stack could not be made:\n${made.all}`);
}

/** A lock that a killed update left behind names its process; one that is gone holds nothing. */
export async function dropStaleLock(stack: Stack, failed: string): Promise<boolean> {
  const pid = /locked by .*?pid (\d+)/s.exec(failed)?.[1] ?? /\(pid (\d+)\)/.exec(failed)?.[1];
  if (!pid) return false;
  const alive = await readFile(`/proc/${pid}/comm`, "utf8").then(
    (name) => name.startsWith("pulumi"),
    () => false,
  );
  if (alive) return false;
  return (await pulumi(stack, ["cancel", "--yes", "--stack", stack.name])).exitCode === 0;
}
