import type { EngineSettings } from "../../config/schema/providers.ts";

/** Where the model's folder is mounted in the container. */
export const MODEL_DIR = "/models";
export const ENGINE_PORT = 8080;

/** llama-server's arguments. Its key comes from the environment (LLAMA_API_KEY). */
export function renderLlamaCpp(engine: EngineSettings, alias: string): string[] {
  const file = engine.model_path.replace(/^.*\//, "");
  return [
    ...["--model", `${MODEL_DIR}/${file}`],
    ...["--alias", alias],
    ...["--host", "0.0.0.0"], // inside the container; Docker publishes it on the private address only
    ...["--port", `${ENGINE_PORT}`],
    // llama-server divides its context among the slots.
    ...["--ctx-size", `${engine.context_length * engine.parallel}`],
    ...["--parallel", `${engine.parallel}`],
    ...["--n-gpu-layers", `${engine.gpu_layers}`],
    ...(engine.threads ? ["--threads", `${engine.threads}`] : []),
    "--metrics",
    "--jinja",
    "--no-webui",
  ];
}
