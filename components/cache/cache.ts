import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Host } from "../host/host.ts";
import { Service } from "../service/service.ts";
import { renderRedis } from "./render-redis.ts";

export interface CacheArgs {
  host: Host;
  image: string;
  network: docker.Network;
  /** Memory of the answers kept, MiB; the least used go first. */
  memoryMiB: number;
}

/** Redis: answers, limits and cooldowns that gateways share. Nothing in it is worth keeping over a restart. */
export class Cache extends pulumi.ComponentResource {
  readonly hostName = "cache";
  readonly password: pulumi.Output<string>;
  readonly ready: pulumi.Resource;

  constructor(name: string, args: CacheArgs, opts?: pulumi.ComponentResourceOptions) {
    super("ai-backend:cache:Cache", name, {}, opts);
    const password = new random.RandomPassword(`${name}-password`, { length: 40, special: false }, { parent: this });
    const service = new Service(
      "ai-backend:cache:Redis",
      name,
      {
        host: args.host,
        image: args.image,
        uid: 999,
        // The password comes by standard input: in the arguments every user of the host would read it.
        start: `printf 'requirepass %s\\n' "$REDIS_PASSWORD" | exec redis-server /config/redis.conf -`,
        files: { "redis.conf": renderRedis({ maxMemoryMiB: args.memoryMiB }) },
        secrets: { REDIS_PASSWORD: password.result },
        network: { network: args.network, aliases: [this.hostName] },
        tmpfs: { "/data": "size=16m,mode=1777", "/tmp": "size=16m,mode=1777" },
        // Redis needs room beside the answers: buffers, fragments, its own tables.
        memoryMiB: args.memoryMiB + 128,
        pids: 64,
        healthcheck: {
          command: ["/bin/sh", "-c", ". /run/secrets/env; REDISCLI_AUTH=$REDIS_PASSWORD redis-cli ping | grep -q PONG"],
          intervalSeconds: 2,
          timeoutSeconds: 2,
          readyWithinSeconds: 30,
        },
        graceSeconds: 5,
        replacement: "inPlace",
      },
      { parent: this },
    );
    this.password = password.result;
    this.ready = service.ready;
    this.registerOutputs({});
  }
}
