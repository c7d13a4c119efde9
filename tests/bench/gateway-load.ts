/**
 * Load on one address, run inside the gateway host's network: `gateway-load.ts URL CLIENTS SECONDS`,
 * the key in BENCH_KEY, the body in BENCH_BODY. Prints what came of it as JSON.
 */
import autocannon from "autocannon";

const [url = "", clients = "1", seconds = "10"] = process.argv.slice(2);
const times: number[] = [];
const result = await new Promise<autocannon.Result>((resolve, reject) => {
  const options = {
    url: `${url}/v1/chat/completions`,
    connections: Number(clients),
    duration: Number(seconds),
    method: "POST" as const,
    headers: { "content-type": "application/json", authorization: `Bearer ${process.env.BENCH_KEY}` },
    body: process.env.BENCH_BODY ?? "",
  };
  const instance = autocannon(options, (error, done) => (error ? reject(error) : resolve(done)));
  // Its own percentiles are whole milliseconds.
  instance.on("response", (_client, _status, _bytes, milliseconds) => times.push(milliseconds));
});
times.sort((one, other) => one - other);
const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
const { requests, non2xx, errors, timeouts } = result;
process.stdout.write(
  JSON.stringify({
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    average: times.reduce((sum, time) => sum + time, 0) / times.length,
    perSecond: requests.average,
    failed: non2xx + errors + timeouts,
  }),
);
