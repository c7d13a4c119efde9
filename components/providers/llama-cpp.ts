import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { LlamaCppEngine } from "../../config/schema/engines.ts";
import { Service } from "../service/service.ts";
import { shellWord } from "../service/shell-word.ts";
import { type EngineArgs, placed, urlOf } from "./engine.ts";
import { ModelFiles } from "./model-files.ts";
import { LLAMA_PORT, renderLlamaCpp } from "./render-llama-cpp.ts";

/** llama.cpp's server with one model. */
export class LlamaCpp extends pulumi.ComponentResource {
  /** Base URL, as an OpenAI client wants it. */
  readonly url: string;
  readonly key: pulumi.Output<string>;
  readonly ready: pulumi.Resource;

  constructor(name: string, args: EngineArgs<LlamaCppEngine>, opts?: pulumi.ComponentResourceOptions) {
    super("ai-backend:providers:LlamaCpp", name, { served: args.served }, opts);
    const { engine } = args;
    const files = new ModelFiles(args.host, args.hub);
    const paths = {
      model: files.file(engine.model),
      ...(engine.mmproj && { mmproj: files.file(engine.mmproj) }),
      ...(engine.draft && { draft: files.file(engine.draft.model) }),
    };
    const key = new random.RandomPassword(`${name}-key`, { length: 40, special: false }, { parent: this });
    const flags = renderLlamaCpp(engine, args.served[0] ?? name, paths);
    const service = new Service(
      "ai-backend:providers:LlamaServer",
      name,
      {
        ...placed(name, args, LLAMA_PORT),
        start: `exec /app/llama-server ${flags.map(shellWord).join(" ")}`,
        secrets: { LLAMA_API_KEY: key.result },
        env: { HOME: "/tmp" },
        mounts: files.mounts,
        after: files.fetched,
        tmpfs: { "/tmp": "size=64m,mode=1777" },
        pids: 512,
        healthcheck: {
          // 503 while the model loads: healthy means it answers.
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${LLAMA_PORT}/health`],
          intervalSeconds: 2,
          timeoutSeconds: 2,
          readyWithinSeconds: engine.ready_seconds,
        },
        graceSeconds: 10,
      },
      { parent: this },
    );
    this.url = urlOf(name, args, LLAMA_PORT);
    this.key = key.result;
    this.ready = service.ready;
    this.registerOutputs({});
  }
}
