import * as pulumi from "@pulumi/pulumi";
import type { OllamaEngine } from "../../config/schema/engines.ts";
import { digestOf } from "../service/digest.ts";
import { Service } from "../service/service.ts";
import { type EngineArgs, placed, urlOf } from "./engine.ts";
import { ModelFiles } from "./model-files.ts";
import { OLLAMA_PORT, OLLAMA_STORE, type OllamaWish, renderOllama, renderOllamaPlan } from "./render-ollama.ts";

/** Ollama, with the models it keeps: pulled, made from a Modelfile, and removed when they are dropped from the list. */
export class Ollama extends pulumi.ComponentResource {
  /** Base URL, as an OpenAI client wants it. */
  readonly url: string;
  readonly ready: pulumi.Resource;

  constructor(name: string, args: EngineArgs<OllamaEngine>, opts?: pulumi.ComponentResourceOptions) {
    super("ai-backend:providers:Ollama", name, { served: args.served }, opts);
    const { engine, host } = args;
    const files = new ModelFiles(host, args.hub);
    const wishes = args.served.map((model) => wishFor(model, engine, files));
    const service = new Service(
      "ai-backend:providers:OllamaServer",
      name,
      {
        ...placed(name, args, OLLAMA_PORT),
        start: "exec ollama serve",
        env: renderOllama(engine),
        folders: { store: { mode: "700", containerPath: OLLAMA_STORE } },
        mounts: files.mounts,
        after: files.fetched,
        tmpfs: { "/tmp": "size=256m,mode=1777" },
        pids: 1024,
        healthcheck: {
          command: ["ollama", "list"],
          intervalSeconds: 2,
          timeoutSeconds: 5,
          readyWithinSeconds: engine.ready_seconds,
        },
        graceSeconds: 10,
      },
      { parent: this },
    );
    // Its own program pulls and makes; a model that is not asked for any longer goes.
    const create = pulumi.interpolate`ollama ${service.container.id}`;
    const step = { create, stdin: renderOllamaPlan(wishes), tool: "models" as const };
    this.ready = host.step(`${name}-models`, step, { parent: this, dependsOn: [service.ready] });
    this.url = urlOf(name, args, OLLAMA_PORT);
    this.registerOutputs({});
  }
}

function wishFor(model: string, engine: OllamaEngine, files: ModelFiles): OllamaWish {
  const made = engine.models[model];
  if (!made) return { name: model, insecure: engine.insecure };
  const path = made.gguf && files.file(made.gguf);
  const text = made.modelfile ?? "FROM ./model.gguf\n";
  const modelfile = path ? text.replaceAll("./model.gguf", path) : text;
  return { name: model, modelfile, digest: digestOf({ modelfile, gguf: made.gguf }) };
}
