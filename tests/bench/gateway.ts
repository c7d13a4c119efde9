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

interface Figures {
  p50: number;
  p95: number;
  p99: number;
  average: number;
  perSecond: number;
  failed: number;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The gateway container's address and LiteLLM's own key. */
async function litellm(): Promise<{ url: string; key: string }> {
  const find = "docker ps -q --filter label=ai-backend.service=gateway";
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  const address = (await inHost(LAB, "gateway", `docker inspect -f '${format}' $(${find})`)).trim();
  const secrets = await inHost(LAB, "gateway", "cat /opt/ai-backend/gateway/secrets/*.env");
  return { url: `http://${address}:4000`, key: /LITELLM_MASTER_KEY='([^']+)'/.exec(secrets)?.[1] ?? "" };
}

async function load(url: string, key: string, clients: number, seconds: number): Promise<Figures> {
  const script = join(import.meta.dirname, "gateway-load.ts");
  const loader = join(PROJECT_DIR, "tools/typescript/register.mjs");
  const node = [process.execPath, `--import=${loader}`, script, url, String(clients), String(seconds)];
  const { stdout } = await execa("nsenter", [`--net=/run/netns/${LAB.tag}-gateway`, ...node], {
    env: { BENCH_KEY: key },
  });
  return JSON.parse(stdout);
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
    for (const { url, key } of Object.values(ways)) await load(url, key, 4, 3); // warm
    for (let round = 0; round < rounds; round++) {
      for (const clients of CLIENTS) {
        for (const [way, { url, key }] of Object.entries(ways)) {
          const figures = await load(url, key, clients, seconds);
          all.set(`${clients} ${way}`, [...(all.get(`${clients} ${way}`) ?? []), figures]);
          process.stderr.write(`round ${round + 1}, ${clients} clients, ${way}: ${JSON.stringify(figures)}\n`);
        }
      }
    }
    process.stdout.write(table(Object.keys(ways), all, seconds, rounds));
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
    `| clients | figure | ${ways.join(" | ")} | the edge's part |`,
    "|---|---|---|---|---|---|",
  ];
  for (const clients of CLIENTS) {
    for (const figure of ["p50", "p95", "p99", "average", "perSecond"] as const) {
      const values = ways.map((way) => of(clients, way, figure));
      const cells = values.map(
        (value) => `${value.toFixed(value < 10 ? 2 : 1)} (${(value / (values[0] ?? 1)).toFixed(2)}×)`,
      );
      const [, without = 0, withEdge = 0] = values;
      const part =
        figure === "perSecond"
          ? `${((100 * (without - withEdge)) / without).toFixed(1)} % fewer`
          : `${(withEdge - without).toFixed(2)} ms`;
      lines.push(`| ${clients} | ${figure} | ${cells.join(" | ")} | ${part} |`);
    }
  }
  const failed = [direct, alone, edge].flatMap((way) => CLIENTS.map((clients) => of(clients, way, "failed")));
  lines.push(`\nFailed requests: ${failed.reduce((sum, value) => sum + value, 0)}.`);
  return `${lines.join("\n")}\n`;
}
