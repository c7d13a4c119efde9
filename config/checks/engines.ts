/** Settings of engines: what must hold together, before a host is touched. */

import { FLAGS, type FlagList } from "../engine-flags.ts";
import type { Path, Report } from "../problems.ts";
import { nearest } from "../problems.ts";
import type { FileSource, FolderSource, LlamaCppEngine, OllamaEngine, VllmEngine } from "../schema/engines.ts";
import { capabilitiesOf, type ProviderSettings, type Providers } from "../schema/providers.ts";

export function checkEngines({ providers }: Providers, report: Report): void {
  for (const [name, provider] of Object.entries(providers)) {
    if (!provider.engine) continue;
    const path = ["providers", name, "engine"];
    if (provider.type === "llama_cpp") checkLlamaCpp(provider, provider.engine as LlamaCppEngine, path, report);
    if (provider.type === "ollama") checkOllama(provider, provider.engine as OllamaEngine, path, report);
    if (provider.type === "vllm") checkVllm(provider, provider.engine as VllmEngine, path, report);
  }
}

/** Exactly one place, and what belongs to it. */
function checkSource(source: FileSource | FolderSource, path: Path, report: Report): void {
  const given = source as FileSource;
  const isFile = "file" in source || "url" in source || "sha256" in source;
  const places = (["path", "url", "huggingface"] as const).filter((place) => given[place] !== undefined);
  if (places.length !== 1) {
    const message = places.length === 0 ? "does not say where the model is" : `says ${places.join(" and ")}`;
    report(path, message, "write exactly one of path, url (files only), huggingface");
    return;
  }
  const [place] = places;
  if (place === "url" && given.sha256 === undefined)
    report(
      [...path, "url"],
      "has no checksum, so anything could come from it",
      "add sha256: what `sha256sum FILE` prints",
    );
  if (place === "huggingface" && given.revision === undefined)
    report([...path, "huggingface"], "has no revision", "add revision: the commit, from the repository's history");
  if (place === "path" && given.sha256 !== undefined)
    report([...path, "sha256"], "is not checked for a file that lies on the host already", "remove it", "warning");
  if (isFile && place !== "huggingface")
    for (const key of ["revision", "file"] as const)
      if (given[key] !== undefined) report([...path, key], "belongs to huggingface", "remove it");
}

function checkFile(source: FileSource, path: Path, report: Report): void {
  checkSource(source, path, report);
  if (source.huggingface && source.file === undefined)
    report([...path, "huggingface"], "names no file", "add file: the GGUF file in the repository");
  const name = source.path ?? source.file ?? (source.url && new URL(source.url).pathname);
  if (name && !name.endsWith(".gguf"))
    report([...path, source.path ? "path" : source.file ? "file" : "url"], "is no .gguf file", "name a GGUF file");
}

function checkLlamaCpp(provider: ProviderSettings, engine: LlamaCppEngine, path: Path, report: Report): void {
  checkFile(engine.model, [...path, "model"], report);
  if (engine.mmproj) checkFile(engine.mmproj, [...path, "mmproj"], report);
  if (engine.draft) checkFile(engine.draft.model, [...path, "draft", "model"], report);
  if (/^(q|iq)/.test(engine.cache_type_v) && engine.flash_attention === "off")
    report([...path, "cache_type_v"], "a quantized value cache needs flash attention", "write flash_attention: on");
  const batch = engine.batch_size ?? 2048;
  if (engine.ubatch_size !== undefined && engine.ubatch_size > batch)
    report([...path, "ubatch_size"], `is more than batch_size, ${batch}`, `write ${batch} or less`);
  const embeds = provider.models.some((model) => capabilitiesOf(model).includes("embedding"));
  const generates = provider.models.some((model) => capabilitiesOf(model).some((one) => one !== "embedding"));
  if (engine.embeddings && generates)
    report(
      [...path, "embeddings"],
      "it then serves embeddings only, and a model says more",
      "write capabilities: [embedding]",
    );
  if (embeds && !engine.embeddings)
    report(
      [...path, "embeddings"],
      "a model says embedding, and the engine does not serve it",
      "write embeddings: true",
    );
  if (engine.pooling && !engine.embeddings)
    report([...path, "pooling"], "is for embeddings", "write embeddings: true, or remove it");
  const vision = provider.models.findIndex((model) => capabilitiesOf(model).includes("vision"));
  if (vision >= 0 && !engine.mmproj)
    report([...path, "mmproj"], "a model says vision, and no projector reads images", "add mmproj, or remove vision");
  checkExtra(engine.extra_args, FLAGS.llama_cpp, path, report);
}

function checkOllama(provider: ProviderSettings, engine: OllamaEngine, path: Path, report: Report): void {
  const names = provider.models.map((model) => model.upstream_name ?? model.name);
  for (const [name, model] of Object.entries(engine.models)) {
    const at = [...path, "models", name];
    if (!names.includes(name)) {
      const near = nearest(name, names);
      report(at, "no model of this provider has this upstream name", near ? `write "${near}"` : "add it under models");
    }
    if (!model.modelfile && !model.gguf)
      report(at, "has neither modelfile nor gguf", "add one, or remove it to pull the model");
    if (model.gguf) checkFile(model.gguf, [...at, "gguf"], report);
    if (model.modelfile && !/^FROM\s+\S/im.test(model.modelfile))
      report([...at, "modelfile"], "has no FROM", "begin it with FROM ./model.gguf, or FROM another model");
    if (model.gguf && model.modelfile && !model.modelfile.includes("./model.gguf"))
      report(
        [...at, "gguf"],
        "is not used by the modelfile",
        "write FROM ./model.gguf there, or remove gguf",
        "warning",
      );
  }
  if (engine.kv_cache_type !== "f16" && !engine.flash_attention)
    report([...path, "kv_cache_type"], "a quantized cache needs flash attention", "write flash_attention: true");
  for (const variable of Object.keys(engine.extra_env))
    if (OLLAMA_OWNED.has(variable))
      report([...path, "extra_env", variable], "a setting of this engine owns it", "use the setting");
}

/** What `render-ollama.ts` sets. */
const OLLAMA_OWNED = new Set(
  ["HOST", "MODELS", "KEEP_ALIVE", "NUM_PARALLEL", "MAX_LOADED_MODELS", "MAX_QUEUE", "CONTEXT_LENGTH"]
    .concat(["FLASH_ATTENTION", "KV_CACHE_TYPE", "NOPRUNE"])
    .map((name) => `OLLAMA_${name}`),
);

function checkVllm(provider: ProviderSettings, engine: VllmEngine, path: Path, report: Report): void {
  checkSource(engine.model, [...path, "model"], report);
  const { speculative, lora, gpus, tensor_parallel, pipeline_parallel } = engine;
  for (const [i, { name, source }] of lora.entries()) {
    checkSource(source, [...path, "lora", i, "source"], report);
    const known = provider.models.map((model) => model.upstream_name ?? model.name);
    if (!known.includes(name))
      report([...path, "lora", i, "name"], "no model of this provider has this upstream name", "add it under models");
  }
  if (provider.models.every((model) => lora.some(({ name }) => name === (model.upstream_name ?? model.name))))
    report(
      [...path, "lora"],
      "every model of the provider is an adapter, and none is what they adapt",
      "add the model itself",
    );
  if (speculative) {
    const guesses = !["ngram", "mtp"].includes(speculative.method);
    if (guesses && !speculative.model)
      report([...path, "speculative", "method"], `${speculative.method} needs a model`, "add model, or use ngram");
    if (speculative.model) checkSource(speculative.model, [...path, "speculative", "model"], report);
  }
  const workers = tensor_parallel * pipeline_parallel;
  const given = Array.isArray(gpus) ? gpus.length : gpus;
  if (given !== "all" && given !== workers) {
    const message = `tensor_parallel × pipeline_parallel is ${workers}, and the container gets ${given} GPUs`;
    report([...path, "gpus"], message, `write ${workers}, or that many ids`);
  }
  const tools = provider.models.some((model) => model.capabilities?.includes("tools"));
  if (tools && !engine.tool_parser)
    report(
      [...path, "tool_parser"],
      "a model says tools, and nothing reads its calls",
      "add tool_parser, or remove tools",
    );
  checkExtra(engine.extra_args, FLAGS.vllm, path, report);
}

/** The escape hatch is looked at, too: a flag of a setting, and one that the engine does not have. */
function checkExtra(args: string[], flags: FlagList, path: Path, report: Report): void {
  for (const [i, word] of args.entries()) {
    const flag = /^(--?[A-Za-z][A-Za-z0-9_.-]*)(=|$)/.exec(word)?.[1];
    if (flag === undefined) continue;
    const at = [...path, "extra_args", i];
    const owner = flags.owned[flag];
    if (owner !== undefined)
      report(at, `${flag} belongs to ${owner}`, owner.startsWith("this program") ? "remove it" : `write ${owner}`);
    else if (!flags.known.includes(flag)) {
      const near = nearest(flag, flags.known);
      report(at, `${flags.engine} ${flags.version} has no ${flag}`, near ? `write ${near}` : "remove it", "warning");
    }
  }
}
