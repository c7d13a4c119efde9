import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { VllmEngine } from "../../config/schema/engines.ts";
import { Service } from "../service/service.ts";
import { shellWord } from "../service/shell-word.ts";
import { type EngineArgs, placed, urlOf } from "./engine.ts";
import { ModelFiles } from "./model-files.ts";
import { renderVllm, VLLM_PORT } from "./render-vllm.ts";

/** vLLM with one model and its adapters. */
export class Vllm extends pulumi.ComponentResource {
  /** Base URL, as an OpenAI client wants it. */
  readonly url: string;
  readonly key: pulumi.Output<string>;
  readonly ready: pulumi.Resource;

  constructor(name: string, args: EngineArgs<VllmEngine>, opts?: pulumi.ComponentResourceOptions) {
    super("ai-backend:providers:Vllm", name, { served: args.served }, opts);
    const { engine, host } = args;
    const files = new ModelFiles(host, args.hub);
    // The hub's own library, which every image of vLLM has, fetches folders.
    const image = host.image(args.image).name;
    const { speculative } = engine;
    const paths = {
      model: files.folder(engine.model, image),
      ...(speculative?.model && { speculative: files.folder(speculative.model, image) }),
      lora: Object.fromEntries(engine.lora.map(({ name: one, source }) => [one, files.folder(source, image)])),
    };
    const adapters = new Set(engine.lora.map(({ name: one }) => one));
    const served = args.served.filter((one) => !adapters.has(one));
    const key = new random.RandomPassword(`${name}-key`, { length: 40, special: false }, { parent: this });
    const service = new Service(
      "ai-backend:providers:VllmServer",
      name,
      {
        ...placed(name, args, VLLM_PORT),
        start: `exec vllm serve ${renderVllm(engine, served, paths).map(shellWord).join(" ")}`,
        secrets: { VLLM_API_KEY: key.result },
        env: {
          HOME: "/tmp",
          // Everything is on the host already; nothing is fetched at its start, and nothing told.
          HF_HUB_OFFLINE: "1",
          VLLM_NO_USAGE_STATS: "1",
          VLLM_CACHE_ROOT: "/var/cache/vllm",
        },
        // Compiled kernels: minutes at the first start, kept for the next.
        folders: { cache: { mode: "700", containerPath: "/var/cache/vllm" } },
        mounts: files.mounts,
        after: files.fetched,
        tmpfs: { "/tmp": "size=1g,mode=1777,exec" },
        sharedMemoryMiB: engine.shared_memory_mib,
        ipc: engine.ipc,
        pids: 4096,
        healthcheck: {
          command: [
            "python3",
            "-c",
            `import urllib.request as u; u.urlopen("http://127.0.0.1:${VLLM_PORT}/health", timeout=2)`,
          ],
          intervalSeconds: 3,
          timeoutSeconds: 5,
          readyWithinSeconds: engine.ready_seconds,
        },
        graceSeconds: 30,
      },
      { parent: this },
    );
    this.url = urlOf(name, args, VLLM_PORT);
    this.key = key.result;
    this.ready = service.ready;
    this.registerOutputs({});
  }
}
