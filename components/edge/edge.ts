import { createHash } from "node:crypto";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Host } from "../host/host.ts";
import { Service } from "../service/service.ts";
import { type EdgeClient, renderClients, renderLimits, renderPriorities } from "./render-access.ts";
import { EDGE_FILES, renderHaproxy } from "./render-haproxy.ts";

export interface EdgeArgs {
  host: Host;
  image: string;
  network: docker.Network;
  /** Address and port that are published: the only ones. */
  bind: string;
  port: number;
  /** Those who may call. */
  clients: EdgeClient[];
  /** Web pages whose scripts may call. */
  allowedOrigins: string[];
  /** LiteLLM's own key, which no client sees. */
  gatewayKey: pulumi.Input<string>;
  requestTimeoutSeconds: number;
}

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** HAProxy: the published port, the clients' keys, and the switch between gateways. */
export class Edge extends pulumi.ComponentResource {
  readonly url: string;
  /** Client → key. */
  readonly clientKeys: pulumi.Output<Record<string, string>>;
  readonly container: docker.Container;
  readonly ready: pulumi.Resource;

  constructor(name: string, args: EdgeArgs, opts?: pulumi.ComponentResourceOptions) {
    const names = args.clients.map((client) => client.name);
    super("ai-backend:edge:Edge", name, { bind: args.bind, port: args.port, clients: names }, opts);
    const keys = Object.fromEntries(
      names.map((client) => {
        const password = new random.RandomPassword(
          `${name}-client-${client}`,
          { length: 40, special: false },
          { parent: this },
        );
        return [client, pulumi.interpolate`sk-${password.result}`];
      }),
    );
    this.clientKeys = pulumi.secret(pulumi.all(keys));
    // A hash of a random key of 40 characters may be seen; the key may not.
    const clients = pulumi.unsecret(
      this.clientKeys.apply((all) =>
        renderClients(
          Object.fromEntries(
            Object.entries(all).map(([client, key]) => [createHash("sha256").update(key).digest("hex"), client]),
          ),
        ),
      ),
    );
    const service = new Service(
      "ai-backend:edge:HAProxy",
      name,
      {
        host: args.host,
        image: args.image,
        uid: 99,
        start: `exec haproxy -W -db -f /edge/current/${EDGE_FILES.config}`,
        files: {
          [EDGE_FILES.config]: renderHaproxy({
            maxBodyBytes: MAX_BODY_BYTES,
            requestTimeoutSeconds: args.requestTimeoutSeconds,
            clients: args.clients,
            allowedOrigins: args.allowedOrigins,
          }),
          [EDGE_FILES.clients]: clients,
          [EDGE_FILES.limits]: renderLimits(args.clients),
          [EDGE_FILES.priorities]: renderPriorities(args.clients),
        },
        filesAt: "/edge",
        secrets: { GATEWAY_KEY: args.gatewayKey },
        folders: { run: { mode: "700", containerPath: "/run/haproxy" } },
        network: { network: args.network, aliases: [name] },
        ports: [{ ip: args.bind, external: args.port, internal: 4000 }],
        memoryMiB: 256,
        pids: 64,
        healthcheck: {
          command: [
            "/bin/bash",
            "-c",
            "exec 3<>/dev/tcp/127.0.0.1/4000; printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3; grep -q '200 OK' <&3",
          ],
          intervalSeconds: 2,
          timeoutSeconds: 2,
          readyWithinSeconds: 20,
        },
        graceSeconds: 10,
        replacement: "inPlace",
        reloads: true,
      },
      { parent: this },
    );
    this.url = `http://${args.bind}:${args.port}/v1`;
    this.container = service.container;
    this.ready = service.ready;
    this.registerOutputs({});
  }
}
