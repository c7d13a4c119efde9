import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Host } from "../host/host.ts";
import { Service } from "../service/service.ts";
import { shellWord } from "../service/shell-word.ts";
import { type GatewaySettings, renderLitellm } from "./render-litellm.ts";

export interface GatewayArgs {
  host: Host;
  image: string;
  network: docker.Network;
  settings: GatewaySettings;
  /** LiteLLM's own key. */
  key: pulumi.Input<string>;
  redisPassword: pulumi.Input<string>;
  /** Environment variable → a provider's key. */
  providerKeys: Record<string, pulumi.Input<string>>;
  /** Routes that the new container is asked for before it gets traffic; one must answer. */
  smokeRoutes: string[];
  workers: number;
  memoryMiB: number;
  drainSeconds: number;
  /** Until a connection to a provider stands, seconds. */
  connectSeconds: number;
  /** A whole stream at most, seconds. */
  streamSeconds: number;
  edge: docker.Container;
  /** What must answer before the gateway is asked: the edge, the cache, the engines. */
  after: pulumi.Resource[];
}

const HEALTH = "import urllib.request as u; u.urlopen('http://127.0.0.1:4000/health/readiness', timeout=2)";

/** Where LiteLLM's workers put their counts together. */
const PROMETHEUS_MULTIPROC_DIR = "/tmp/prometheus";

/** Tries of the kernel to connect: after n more than the first it gives up after 2^(n+1) - 1 seconds. */
export const synRetries = (seconds: number) => Math.max(1, Math.min(4, Math.floor(Math.log2(seconds + 1)) - 1));

/** LiteLLM: made beside the old one, proven, given the traffic; only then the old one goes. */
export class Gateway extends pulumi.ComponentResource {
  readonly container: docker.Container;

  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("ai-backend:gateway:Gateway", name, { workers: args.workers, routes: args.smokeRoutes }, opts);
    const { host } = args;
    const prometheus = args.settings.callbacks.includes("prometheus");
    const service = new Service(
      "ai-backend:gateway:LiteLLM",
      name,
      {
        host,
        image: args.image,
        uid: 65534,
        start: `${prometheus ? `mkdir -p ${PROMETHEUS_MULTIPROC_DIR}; ` : ""}exec litellm --config /config/config.yaml --host 0.0.0.0 --port 4000 --num_workers ${args.workers}`,
        files: { "config.yaml": renderLitellm(args.settings) },
        secrets: { LITELLM_MASTER_KEY: args.key, REDIS_PASSWORD: args.redisPassword, ...args.providerKeys },
        env: {
          HOME: "/tmp",
          // Else it fetches its price list from the internet at every start.
          LITELLM_LOCAL_MODEL_COST_MAP: "True",
          LITELLM_TELEMETRY: "False",
          // Streams may finish when it is stopped.
          GRACEFUL_SHUTDOWN_TIMEOUT: String(args.drainSeconds),
          // A deployment without alternatives is left alone, too, when so many requests of a minute have all failed.
          SINGLE_DEPLOYMENT_TRAFFIC_FAILURE_THRESHOLD: "3",
          LITELLM_MAX_STREAMING_DURATION_SECONDS: String(args.streamSeconds),
          ...(prometheus && { PROMETHEUS_MULTIPROC_DIR }),
        },
        // The name of a container that is down is asked for outside: where nobody answers, that took 10 s a request.
        dnsOptions: ["timeout:1", "attempts:1"],
        // LiteLLM has no limit of its own for the time until a connection stands.
        sysctls: { "net.ipv4.tcp_syn_retries": String(synRetries(args.connectSeconds)) },
        network: { network: args.network, aliases: [] },
        tmpfs: { "/tmp": "size=256m,mode=1777" },
        memoryMiB: args.memoryMiB,
        pids: 256,
        healthcheck: {
          command: ["python3", "-c", HEALTH],
          intervalSeconds: 2,
          timeoutSeconds: 5,
          readyWithinSeconds: 90,
        },
        graceSeconds: args.drainSeconds + 5,
        replacement: "beside",
      },
      { parent: this },
    );
    this.container = service.container;

    const smoke = host.step(
      `${name}-smoke`,
      { create: pulumi.interpolate`smoke ${this.container.id} ${args.smokeRoutes.map(shellWord).join(" ")}` },
      // Healthy first; and a completion needs the engines and the cache.
      { parent: this, dependsOn: [service.ready, ...args.after] },
    );
    host.step(
      `${name}-traffic`,
      { create: pulumi.interpolate`traffic ${this.container.name} ${args.edge.id}` },
      // The edge's id is in it so that a new edge is told, too. Nothing that cannot answer a completion gets traffic.
      { parent: this, dependsOn: [smoke] },
    );
    this.registerOutputs({});
  }
}
