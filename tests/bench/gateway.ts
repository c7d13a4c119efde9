/**
 * `npm run bench -- gateway`: one request's way, measured in its parts. The same load from inside the
 * gateway host's network against the simulated upstream directly, LiteLLM alone, and the edge in
 * front of it, in turn, so that what else the machine does falls on all of them.
 */
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { stopDaemon } from "../../lab/daemons.ts";
import { hosts as hostsScript, inHost } from "../../lab/hosts.ts";
import { addressOf, type LabSettings, upstreamOf } from "../../lab/settings.ts";
import { UPSTREAM_KEY } from "../../lab/stack.ts";
import { PROJECT_DIR } from "../../tools/engine/paths.ts";
import { Backend } from "../support/backend.ts";
import { bringUp } from "../support/test-lab.ts";

const LAB: LabSettings = {
  dir: join(tmpdir(), "ai-backend-bench-gateway"),
  tag: "abg",
  net: "10.93.0",
  hosts: { gateway: 10, gpu1: 12 },
};
const CLIENTS = [1, 16];
const BODY = {
  model: "gpt-4o",
  messages: [{ role: "user", content: "ping" }],
  max_tokens: 8,
  // Every request goes all the way.
  cache: { "no-cache": true, "no-store": true },
};

interface Way {
  url: string;
  key: string;
}

interface Figures {
  p50: number;
  p95: number;
  p99: number;
  average: number;
  perSecond: number;
  failed: number;
}

const at = (values: number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
const median = (values: number[]) => at(values, 0.5);
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The gateway container's address and LiteLLM's own key. */
async function litellm(): Promise<Way> {
  const find = "docker ps -q --filter label=ai-backend.service=gateway";
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  const address = (await inHost(LAB, "gateway", `docker inspect -f '${format}' $(${find})`)).trim();
  const secrets = await inHost(LAB, "gateway", "cat /opt/ai-backend/gateway/secrets/*.env");
  return { url: `http://${address}:4000`, key: /LITELLM_MASTER_KEY='([^']+)'/.exec(secrets)?.[1] ?? "" };
}

/** A script of this folder, run inside the gateway host's network. */
async function inNetwork(script: string, args: (string | number)[], env: Record<string, string>): Promise<string> {
  const loader = join(PROJECT_DIR, "tools/typescript/register.mjs");
  const node = [process.execPath, `--import=${loader}`, join(import.meta.dirname, script), ...args.map(String)];
  const { stdout } = await execa("nsenter", [`--net=/run/netns/${LAB.tag}-gateway`, ...node], {
    env: { ...env, BENCH_BODY: JSON.stringify(BODY) },
  });
  return stdout;
}

async function load({ url, key }: Way, clients: number, seconds: number): Promise<Figures> {
  return JSON.parse(await inNetwork("gateway-load.ts", [url, clients, seconds], { BENCH_KEY: key }));
}

/** Milliseconds of each request, by way. */
async function turns(ways: Record<string, Way>, clients: number, seconds: number): Promise<Record<string, number[]>> {
  return JSON.parse(await inNetwork("gateway-turns.ts", [clients, seconds], { BENCH_WAYS: JSON.stringify(ways) }));
}

export async function gatewayOverhead(seconds: number, rounds: number): Promise<void> {
  await hostsScript(LAB, "down", "--wipe").catch(() => {});
  try {
    await bringUp(LAB);
    const backend = new Backend(LAB, "test-bench");
    await backend.make();
    await backend.up();
    const { clientKeys } = await backend.outputs();
    const alone = await litellm();
    const ways = {
      "upstream directly": { url: upstreamOf(LAB), key: UPSTREAM_KEY },
      "LiteLLM alone": alone,
      "edge and LiteLLM": { url: `http://${addressOf(LAB, "gateway")}:4000`, key: clientKeys.tester as string },
    };
    await fetch(`${upstreamOf(LAB)}/_simulation`, { method: "PUT", body: JSON.stringify({ chunkDelayMs: 0 }) });
    const all = new Map<string, Figures[]>();
    for (const way of Object.values(ways)) await load(way, 4, 3); // warm
    for (let round = 0; round < rounds; round++) {
      for (const clients of CLIENTS) {
        for (const [name, way] of Object.entries(ways)) {
          const figures = await load(way, clients, seconds);
          all.set(`${clients} ${name}`, [...(all.get(`${clients} ${name}`) ?? []), figures]);
          process.stderr.write(`round ${round + 1}, ${clients} clients, ${name}: ${JSON.stringify(figures)}\n`);
        }
      }
    }
    process.stdout.write(table(Object.keys(ways), all, seconds, rounds));
    const { "LiteLLM alone": without, "edge and LiteLLM": withEdge } = ways;
    const inTurn = new Map<number, Record<string, number[]>>();
    for (const clients of CLIENTS) {
      inTurn.set(clients, await turns({ without, withEdge }, clients, 2 * seconds * rounds));
    }
    process.stdout.write(edgesPart(inTurn));
  } finally {
    for (const name of ["registry", "simulated-openai"]) await stopDaemon(LAB.dir, name);
    await hostsScript(LAB, "down", "--wipe");
    await rm(LAB.dir, { recursive: true, force: true });
  }
}

function table(ways: string[], all: Map<string, Figures[]>, seconds: number, rounds: number): string {
  const of = (clients: number, way: string, figure: keyof Figures) =>
    median((all.get(`${clients} ${way}`) ?? []).map((figures) => figures[figure]));
  const [direct = "", alone = "", edge = ""] = ways;
  const lines = [
    `\nMedians of ${rounds} rounds of ${seconds} s; ms, requests a second, and in brackets the ratio to the upstream directly.\n`,
    `| clients | figure | ${ways.join(" | ")} |`,
    "|---|---|---|---|---|",
  ];
  for (const clients of CLIENTS) {
    for (const figure of ["p50", "p95", "p99", "average", "perSecond"] as const) {
      const values = ways.map((way) => of(clients, way, figure));
      const cells = values.map(
        (value) => `${value.toFixed(value < 10 ? 2 : 1)} (${(value / (values[0] ?? 1)).toFixed(2)}×)`,
      );
      lines.push(`| ${clients} | ${figure} | ${cells.join(" | ")} |`);
    }
  }
  const failed = [direct, alone, edge].flatMap((way) => CLIENTS.map((clients) => of(clients, way, "failed")));
  lines.push(`\nFailed requests: ${failed.reduce((sum, value) => sum + value, 0)}.`);
  return `${lines.join("\n")}\n`;
}

function edgesPart(inTurn: Map<number, Record<string, number[]>>): string {
  const lines = [
    "\nThe edge's part: the same request to LiteLLM alone and through the edge in turn, request by request.\n",
    "| clients | requests each | figure | LiteLLM alone | edge and LiteLLM | the edge's part |",
    "|---|---|---|---|---|---|",
  ];
  const figures = { p50: median, p95: (values: number[]) => at(values, 0.95), average: mean };
  for (const [clients, { without = [], withEdge = [] }] of inTurn) {
    for (const [figure, of] of Object.entries(figures)) {
      const [before, after] = [of(without), of(withEdge)];
      const part = `${(after - before).toFixed(2)} ms (${((100 * (after - before)) / before).toFixed(1)} %)`;
      lines.push(
        `| ${clients} | ${without.length} | ${figure} | ${before.toFixed(2)} | ${after.toFixed(2)} | ${part} |`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
