import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { EngineSettings } from "../../config/schema/providers.ts";
import type { Host } from "../host/host.ts";
import { Service } from "../service/service.ts";
import { shellWord } from "../service/shell-word.ts";
import { ENGINE_PORT, MODEL_DIR, renderLlamaCpp } from "./render-llama-cpp.ts";

export interface LlamaCppArgs {
  host: Host;
  image: string;
  engine: EngineSettings;
  /** The name it gives its model. */
  alias: string;
  /**
   * `docker`: the gateway is on this host and reaches it in the Docker network. Otherwise the
   * private address of the host, on which the engine's port is published.
   */
  reach: { network: docker.Network } | { address: string };
}

/** llama.cpp's server with one model. */
export class LlamaCpp extends pulumi.ComponentResource {
  /** Base URL, as an OpenAI client wants it. */
  readonly url: string;
  readonly key: pulumi.Output<string>;
  readonly ready: pulumi.Resource;

  constructor(name: string, args: LlamaCppArgs, opts?: pulumi.ComponentResourceOptions) {
    super("ai-backend:providers:LlamaCpp", name, { model: args.engine.model_path }, opts);
    const { engine, reach } = args;
    const key = new random.RandomPassword(`${name}-key`, { length: 40, special: false }, { parent: this });
    const service = new Service(
      "ai-backend:providers:LlamaServer",
      name,
      {
        host: args.host,
        image: args.image,
        uid: 65534,
        start: `exec /app/llama-server ${renderLlamaCpp(engine, args.alias).map(shellWord).join(" ")}`,
        secrets: { LLAMA_API_KEY: key.result },
        env: { HOME: "/tmp" },
        mounts: [{ hostPath: engine.model_path.replace(/\/[^/]*$/, ""), containerPath: MODEL_DIR }],
        ...("network" in reach
          ? { network: { network: reach.network, aliases: [name] } }
          : { ports: [{ ip: reach.address, external: engine.port, internal: ENGINE_PORT }] }),
        ...(engine.gpus && { gpus: engine.gpus }),
        tmpfs: { "/tmp": "size=64m,mode=1777" },
        memoryMiB: engine.memory_mib,
        pids: 512,
        healthcheck: {
          // 503 while the model loads: healthy means it answers.
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${ENGINE_PORT}/health`],
          intervalSeconds: 2,
          timeoutSeconds: 2,
          readyWithinSeconds: 300,
        },
        graceSeconds: 10,
        replacement: "inPlace",
      },
      { parent: this },
    );
    this.url = "network" in reach ? `http://${name}:${ENGINE_PORT}/v1` : `http://${reach.address}:${engine.port}/v1`;
    this.key = key.result;
    this.ready = service.ready;
    this.registerOutputs({});
  }
}
