export interface RedisSettings {
  maxMemoryMiB: number;
}

/** redis.conf. Its password is added at start, from the environment. */
export function renderRedis({ maxMemoryMiB }: RedisSettings): string {
  const lines: [string, string | number][] = [
    ["bind", "0.0.0.0"], // reachable inside the Docker network only: no port is published
    ["protected-mode", "yes"],
    ["port", 6379],
    ["dir", "/data"],
    ["maxmemory", `${maxMemoryMiB}mb`],
    ["maxmemory-policy", "allkeys-lru"],
    // A cache: nothing is written to disk, nothing is read back.
    ["save", '""'],
    ["appendonly", "no"],
    ["tcp-keepalive", 60],
    ["loglevel", "notice"],
  ];
  return lines.map(([name, value]) => `${name} ${value}\n`).join("");
}
