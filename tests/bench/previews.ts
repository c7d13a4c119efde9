/**
 * `npm run bench -- previews [3 20]`: how long a preview takes, with nothing changed and with one route
 * changed, and how much memory the engine and its plugins take, on so many lab hosts. A report,
 * not a test: nothing fails when a figure is bad. One host carries the gateway, each other one
 * an engine. Needs root; brings up labs of its own (10.90.0.0/24) and takes them down.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopDaemon } from "../../lab/daemons.ts";
import { hosts as hostsScript } from "../../lab/hosts.ts";
import { installModel, MODEL_PATH, makeModel } from "../../lab/model.ts";
import type { LabSettings } from "../../lab/settings.ts";
import { pulumi } from "../../lab/stack.ts";
import { Backend } from "../support/backend.ts";
import { bringUp } from "../support/test-lab.ts";

const RUNS = 5;

interface Row {
  hosts: number;
  what: string;
  p50: number;
  all: number[];
  memoryMiB: number;
  processes: Record<string, number>;
}

async function descendants(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => "")),
  );
  const children = lists.join(" ").split(" ").filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(descendants))).flat()];
}

/** Proportional set size, so that pages shared by equal plugins count once. */
async function pssMiB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss: +(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
}

async function kindOf(pid: number): Promise<string> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const plugin = /resource-(\w+)-v/.exec(command)?.[1];
  if (plugin) return `${plugin} plugins`;
  if (command.includes("language-nodejs")) return "language host";
  return command.includes("cmd/run") ? "program" : "engine";
}

async function measure(backend: Backend, what: string, args: string[]): Promise<Row> {
  const all: number[] = [];
  let memoryMiB = 0;
  let processes: Record<string, number> = {};
  for (let run = 0; run < RUNS; run++) {
    const began = performance.now();
    const child = pulumi(backend.stack, args);
    let running = true;
    const sampling = (async () => {
      while (running && child.pid) {
        const kinds: Record<string, number> = {};
        for (const pid of await descendants(child.pid)) {
          const kind = await kindOf(pid);
          kinds[kind] = (kinds[kind] ?? 0) + (await pssMiB(pid));
        }
        const sum = Object.values(kinds).reduce((a, b) => a + b, 0);
        if (sum > memoryMiB) [memoryMiB, processes] = [sum, kinds];
        await new Promise((wake) => setTimeout(wake, 1500)); // reading smaps costs the very cores that are measured
      }
    })();
    const result = await child;
    running = false;
    all.push((performance.now() - began) / 1000);
    await sampling;
    if (result.exitCode !== 0) throw new Error(result.all ?? "");
  }
  all.sort((a, b) => a - b);
  return {
    hosts: Object.keys(backend.lab.hosts).length,
    what,
    p50: all[Math.floor(RUNS / 2)] ?? 0,
    all,
    memoryMiB,
    processes,
  };
}

async function bench(count: number): Promise<Row[]> {
  const names = Object.fromEntries(Array.from({ length: count - 1 }, (_, i) => [`gpu${i + 1}`, 11 + i]));
  const lab: LabSettings = {
    dir: join(tmpdir(), "ai-backend-bench"),
    tag: "abb",
    net: "10.90.0",
    hosts: { gateway: 10, ...names },
  };
  await hostsScript(lab, "down", "--wipe").catch(() => {});
  try {
    await bringUp(lab);
    const model = await makeModel();
    for (const name of Object.keys(names)) await installModel(lab, name, model);
    const backend = new Backend(lab, "test-bench");
    const engine = { model: { path: MODEL_PATH }, context_length: 512, threads: 1, memory_mib: 512 };
    backend.settings.placement.providers = {};
    delete backend.providers.llama;
    for (const name of Object.keys(names)) {
      backend.providers[`llama_${name}`] = { type: "llama_cpp", engine, models: [{ name: "tiny" }] };
      backend.settings.placement.providers[`llama_${name}`] = name;
      backend.mappings.exact_matches[`tiny-${name}`] = { provider: `llama_${name}`, model: "tiny" };
    }
    delete backend.mappings.exact_matches.tiny;
    await backend.make();
    const began = performance.now();
    await backend.up();
    const first = (performance.now() - began) / 1000;
    process.stderr.write(`${count} hosts: first update ${first.toFixed(1)} s\n`);
    const preview = ["preview", "--stack", backend.stack.name];
    const rows = [await measure(backend, "preview, no change", preview)];
    backend.mappings.exact_matches.extra = { provider: "cloud", model: "gpt-4o" };
    await backend.write();
    rows.push(await measure(backend, "preview, one route changed", preview));
    return rows;
  } finally {
    for (const name of ["registry", "simulated-openai"]) await stopDaemon(lab.dir, name);
    await hostsScript(lab, "down", "--wipe");
    await rm(lab.dir, { recursive: true, force: true });
  }
}

/** Prints a table; `counts`: on how many hosts. */
export async function previews(counts: number[]): Promise<void> {
  const rows: Row[] = [];
  for (const count of counts) rows.push(...(await bench(count)));
  process.stdout.write(`\n| hosts | what | p50 of ${RUNS} | all, s | memory | of that |\n|---|---|---|---|---|---|\n`);
  for (const { hosts, what, p50, all, memoryMiB, processes } of rows) {
    const parts = Object.entries(processes)
      .sort(([, a], [, b]) => b - a)
      .map(([kind, mib]) => `${kind} ${mib.toFixed(0)}`);
    process.stdout.write(
      `| ${hosts} | ${what} | ${p50.toFixed(1)} s | ${all.map((s) => s.toFixed(1)).join(" ")} | ${memoryMiB.toFixed(0)} MiB | ${parts.join(", ")} |\n`,
    );
  }
  const [few, many] = [rows[0], rows.find((row) => row.hosts !== rows[0]?.hosts)];
  if (few && many)
    process.stdout.write(
      `\nEach host more costs a preview ${((many.p50 - few.p50) / (many.hosts - few.hosts)).toFixed(2)} s and ${((many.memoryMiB - few.memoryMiB) / (many.hosts - few.hosts)).toFixed(0)} MiB.\n`,
    );
}
