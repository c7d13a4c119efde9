/**
 * The same request by several ways in turn, request by request, from inside the gateway host's
 * network: `gateway-turns.ts CLIENTS SECONDS`, the ways as JSON in BENCH_WAYS, the
 * body in BENCH_BODY. What else the machine
 * does falls on every way alike, so differences of a millisecond show that runs of seconds hide.
 * Prints the times of each way, in milliseconds, as JSON.
 */
import { Agent, request } from "node:http";

interface Way {
  url: string;
  key: string;
}

const [clients = "1", seconds = "10"] = process.argv.slice(2);
const ways = Object.entries(JSON.parse(process.env.BENCH_WAYS ?? "{}") as Record<string, Way>);
const times: Record<string, number[]> = Object.fromEntries(ways.map(([name]) => [name, []]));
const body = process.env.BENCH_BODY ?? "";

function ask({ url, key }: Way, agent: Agent): Promise<number> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const from = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/chat/completions`, { method: "POST", agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve(performance.now() - from);
        else reject(new Error(`${url} answers ${answer.statusCode}`));
      });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

const until = Date.now() + Number(seconds) * 1000;
await Promise.all(
  Array.from({ length: Number(clients) }, async () => {
    const agents = ways.map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
    for (let turn = 0; Date.now() < until; turn++) {
      for (let step = 0; step < ways.length; step++) {
        // Each way goes first as often as the others.
        const index = (turn + step) % ways.length;
        const [name, way] = ways[index] as [string, Way];
        times[name]?.push(await ask(way, agents[index] as Agent));
      }
    }
    for (const agent of agents) agent.destroy();
  }),
);
process.stdout.write(JSON.stringify(times));
