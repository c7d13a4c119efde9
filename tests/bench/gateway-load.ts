/**
 * Load on one address, run inside the gateway host's network: `gateway-load.ts URL CLIENTS SECONDS`,
 * the key in BENCH_KEY. Prints what came of it as JSON.
 */
import autocannon from "autocannon";

const [url = "", clients = "1", seconds = "10"] = process.argv.slice(2);
const body = {
  model: "gpt-4o",
  messages: [{ role: "user", content: "ping" }],
  max_tokens: 8,
  // Every request goes all the way.
  cache: { "no-cache": true, "no-store": true },
};
const result = await autocannon({
  url: `${url}/v1/chat/completions`,
  connections: Number(clients),
  duration: Number(seconds),
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${process.env.BENCH_KEY}` },
  body: JSON.stringify(body),
});
const { latency, requests, non2xx, errors, timeouts } = result;
process.stdout.write(
  JSON.stringify({
    p50: latency.p50,
    p95: latency.p97_5,
    p99: latency.p99,
    average: latency.average,
    perSecond: requests.average,
    failed: non2xx + errors + timeouts,
  }),
);
