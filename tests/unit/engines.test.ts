import { describe, expect, test } from "@jest/globals";
import { renderLlamaCpp } from "../../components/providers/render-llama-cpp.ts";
import { renderOllama, renderOllamaPlan } from "../../components/providers/render-ollama.ts";
import { renderVllm } from "../../components/providers/render-vllm.ts";
import vllmFlags from "../../config/engine-flags/vllm.json" with { type: "json" };
import { FLAGS } from "../../config/engine-flags.ts";
import { LlamaCppEngine, OllamaEngine, VllmEngine } from "../../config/schema/engines.ts";
import { flagsOf } from "../../tools/engine-flags/llama-flags.ts";
import { PROVIDERS, problemsOf, swap } from "../support/project.ts";

const SHA = "a".repeat(64);
const COMMIT = "b".repeat(40);
const wordAfter = (args: string[], flag: string) => args[args.indexOf(flag) + 1];

/** Every setting at once: what each flag is checked with. */
const LLAMA = LlamaCppEngine.parse({
  model: { path: "/srv/m/tiny.gguf" },
  context_length: 1024,
  parallel: 4,
  gpu_layers: 99,
  batch_size: 1024,
  ubatch_size: 256,
  flash_attention: "on",
  cache_type_k: "q8_0",
  cache_type_v: "q8_0",
  mmproj: { path: "/srv/m/mm.gguf" },
  embeddings: true,
  pooling: "mean",
  draft: { model: { path: "/srv/m/draft.gguf" }, max_tokens: 8, gpu_layers: 99 },
  threads: 8,
});
const LLAMA_FILES = { model: "/models/a b.gguf", mmproj: "/models/mm.gguf", draft: "/models/draft.gguf" };
const VLLM = VllmEngine.parse({
  model: { huggingface: "org/model", revision: COMMIT },
  tensor_parallel: 2,
  context_length: 8192,
  quantization: "awq",
  dtype: "half",
  kv_cache_dtype: "fp8",
  prefix_caching: false,
  chunked_prefill: false,
  max_batched_tokens: 4096,
  lora: [{ name: "sql", source: { path: "/srv/lora/sql" } }],
  max_lora_rank: 32,
  tool_parser: "hermes",
  reasoning_parser: "deepseek_r1",
  speculative: { method: "eagle3", model: { path: "/srv/m/eagle" }, tokens: 4 },
});
const VLLM_FILES = { model: "/models/m", speculative: "/models/eagle", lora: { sql: "/models/sql" } };

describe("command lines", () => {
  test("llama-server: the context is divided among the slots", () => {
    const args = renderLlamaCpp(LLAMA, "tiny", LLAMA_FILES);
    expect(args.slice(0, 4)).toEqual(["--model", "/models/a b.gguf", "--alias", "tiny"]);
    expect(wordAfter(args, "--ctx-size")).toBe("4096");
    expect(wordAfter(args, "--spec-draft-n-max")).toBe("8");
    expect(wordAfter(args, "--mmproj")).toBe("/models/mm.gguf");
    const plain = renderLlamaCpp(LlamaCppEngine.parse({ model: { path: "/m.gguf" } }), "tiny", { model: "/m.gguf" });
    for (const flag of ["--threads", "--mmproj", "--spec-draft-model", "--embeddings", "--pooling", "--batch-size"])
      expect(plain).not.toContain(flag);
    expect(plain).toContain("--jinja");
  });

  test("vLLM: everything that is tuned", () => {
    expect(renderVllm(VLLM, ["m", "n"], VLLM_FILES)).toEqual([
      "/models/m",
      ...["--served-model-name", "m", "n", "--host", "0.0.0.0", "--port", "8001"],
      ...["--tensor-parallel-size", "2", "--pipeline-parallel-size", "1", "--max-model-len", "8192"],
      ...["--gpu-memory-utilization", "0.9", "--max-num-seqs", "64", "--max-num-batched-tokens", "4096"],
      ...["--quantization", "awq", "--dtype", "half", "--kv-cache-dtype", "fp8"],
      ...["--no-enable-prefix-caching", "--no-enable-chunked-prefill"],
      ...["--enable-lora", "--max-lora-rank", "32", "--lora-modules", "sql=/models/sql"],
      ...["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "deepseek_r1"],
      ...["--speculative-config", '{"method":"eagle3","model":"/models/eagle","num_speculative_tokens":4}'],
    ]);
  });

  test("Ollama: by its environment; what has no setting comes through extra_env", () => {
    const engine = OllamaEngine.parse({ keep_alive: "-1", parallel: 4, extra_env: { OLLAMA_DEBUG: "1" } });
    expect(renderOllama(engine)).toMatchObject({
      OLLAMA_HOST: "0.0.0.0:11434",
      OLLAMA_KEEP_ALIVE: "-1",
      OLLAMA_NUM_PARALLEL: "4",
      OLLAMA_FLASH_ATTENTION: "0",
      OLLAMA_DEBUG: "1",
    });
  });

  test("Ollama's plan counts a Modelfile in bytes", () => {
    const plan = renderOllamaPlan([
      { name: "llama3.1:8b", insecure: false },
      { name: "box:5000/mine", insecure: true },
      { name: "tiny", modelfile: "FROM /models/é.gguf", digest: "d1" },
    ]);
    expect(plan).toBe("pull llama3.1:8b\npull box:5000/mine --insecure\ncreate tiny 20 d1\nFROM /models/é.gguf\n");
  });
});

describe("flags are those of the engines", () => {
  const flagsIn = (args: string[]) => args.filter((word) => /^--?[a-z]/i.test(word));

  test("every flag that is rendered for llama-server is in its help", () => {
    const used = flagsIn([
      ...renderLlamaCpp(LLAMA, "a", LLAMA_FILES),
      ...renderLlamaCpp({ ...LLAMA, jinja: false }, "a", LLAMA_FILES),
    ]);
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter((flag) => !FLAGS.llama_cpp.known.includes(flag))).toEqual([]);
  });

  test("every flag that is rendered for vLLM is in its argument definitions", () => {
    const on = { ...VLLM, prefix_caching: true, chunked_prefill: true };
    const used = flagsIn([...renderVllm(VLLM, ["a"], VLLM_FILES), ...renderVllm(on, ["a"], VLLM_FILES)]);
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((flag) => !vllmFlags.flags.includes(flag))).toEqual([]);
  });

  test.each(["llama_cpp", "vllm"] as const)("every flag that a setting of %s owns exists", (engine) => {
    const { owned, known } = FLAGS[engine];
    expect(Object.keys(owned).filter((flag) => !known.includes(flag))).toEqual([]);
  });

  test("every value that a setting of vLLM takes is one of vLLM's", () => {
    const { shape } = VllmEngine;
    const options = (schema: unknown) => (schema as { unwrap: () => { options: string[] } }).unwrap().options;
    expect(vllmFlags.values.dtype).toEqual(expect.arrayContaining(options(shape.dtype)));
    expect(vllmFlags.values.kv_cache_dtype).toEqual(expect.arrayContaining(options(shape.kv_cache_dtype)));
    const methods = shape.speculative.unwrap().shape.method.options;
    expect(vllmFlags.values.speculative).toEqual(expect.arrayContaining(methods));
    const ranks = shape.max_lora_rank.unwrap().options.map((one) => one.value);
    expect(vllmFlags.values.max_lora_rank).toEqual(expect.arrayContaining(ranks));
    expect(vllmFlags.environment).toEqual(["VLLM_API_KEY"]);
  });

  test("a help is read: several names, wide flags, and those that are gone", () => {
    const help = [
      "----- common params -----",
      "-c,    --ctx-size N                     size of the prompt context, see --keep",
      "--spec-draft-ngl, -ngld, --gpu-layers-draft N",
      "                                        max. number of --layers",
      "--draft, --draft-max N                  the argument has been removed. use --spec-draft-n-max or",
    ].join("\n");
    expect(flagsOf(help)).toEqual(["--ctx-size", "--gpu-layers-draft", "--spec-draft-ngl", "-c", "-ngld"]);
  });
});

const engine = (type: string, text: string, models = "[{ name: tiny, context_length: 1024 }]") => {
  const start = PROVIDERS.indexOf("  second:");
  const end = PROVIDERS.indexOf("  box:");
  const second = `  second:\n    type: ${type}\n    priority: 2\n    engine: ${text}\n    models: ${models}\n`;
  return { providers: PROVIDERS.slice(0, start) + second + PROVIDERS.slice(end) };
};
const VISION = "[{ name: tiny, capabilities: [chat, completion, vision] }]";
const HF = `{ huggingface: org/m, revision: ${COMMIT} }`;

/** What is wrong → the line that must be there. */
const WRONG: [string, { providers: string }, RegExp][] = [
  ["no place for the model", engine("llama_cpp", "{ model: {} }"), /engine\.model: does not say where the model is/],
  [
    "two places",
    engine("llama_cpp", `{ model: { path: /a.gguf, url: "https://x/a.gguf" } }`),
    /engine\.model: says path and url\. Fix: write exactly one of/,
  ],
  [
    "a download without a checksum",
    engine("llama_cpp", `{ model: { url: "https://x/a.gguf" } }`),
    /engine\.model\.url: has no checksum.*add sha256/,
  ],
  [
    "a branch",
    engine("llama_cpp", "{ model: { huggingface: o/m, revision: main, file: a.gguf } }"),
    /revision: must be a commit/,
  ],
  ["no revision", engine("llama_cpp", "{ model: { huggingface: o/m, file: a.gguf } }"), /huggingface: has no revision/],
  ["no file", engine("llama_cpp", `{ model: ${HF} }`), /huggingface: names no file/],
  ["no GGUF", engine("llama_cpp", "{ model: { path: /a.bin } }"), /model\.path: is no \.gguf file/],
  [
    "a file of nothing",
    engine("llama_cpp", "{ model: { path: /a.gguf, file: b.gguf } }"),
    /model\.file: belongs to huggingface/,
  ],
  [
    "the old name",
    engine("llama_cpp", "{ model_path: /a.gguf }"),
    /engine\.model_path: unknown setting\. Fix: write model: \{ path: … \}/,
  ],
  [
    "a quantized cache without flash attention",
    engine("llama_cpp", "{ model: { path: /a.gguf }, cache_type_v: q8_0, flash_attention: off }"),
    /cache_type_v: a quantized value cache needs flash attention/,
  ],
  [
    "a larger part than the whole",
    engine("llama_cpp", "{ model: { path: /a.gguf }, ubatch_size: 4096 }"),
    /ubatch_size: is more than batch_size, 2048/,
  ],
  [
    "vision without a projector",
    engine("llama_cpp", "{ model: { path: /a.gguf } }", VISION),
    /mmproj: a model says vision/,
  ],
  [
    "embeddings that are not served",
    engine("llama_cpp", "{ model: { path: /a.gguf } }", "[{ name: tiny, capabilities: [embedding] }]"),
    /embeddings: a model says embedding, and the engine does not serve it/,
  ],
  [
    "embeddings only, and a model that chats",
    engine("llama_cpp", "{ model: { path: /a.gguf }, embeddings: true }"),
    /embeddings: it then serves embeddings only/,
  ],
  [
    "pooling of nothing",
    engine("llama_cpp", "{ model: { path: /a.gguf }, pooling: mean }"),
    /pooling: is for embeddings/,
  ],
  [
    "a flag that a setting owns",
    engine("llama_cpp", "{ model: { path: /a.gguf }, extra_args: [--ctx-size, '9'] }"),
    /extra_args\.0: --ctx-size belongs to context_length\. Fix: write context_length/,
  ],
  [
    "the door",
    engine("llama_cpp", "{ model: { path: /a.gguf }, extra_args: [--host=1.2.3.4] }"),
    /extra_args\.0: --host belongs to this program.*Fix: remove it/,
  ],
  [
    "a flag that the engine does not have",
    engine("llama_cpp", "{ model: { path: /a.gguf }, extra_args: [--swa-ful] }"),
    /warning: .*extra_args\.0: llama-server b11434 has no --swa-ful\. Fix: write --swa-full/,
  ],
  [
    "an Ollama model that nobody asks for",
    engine("ollama", "{ models: { tinny: { gguf: { path: /a.gguf } } } }"),
    /models\.tinny: no model of this provider has this upstream name\. Fix: write "tiny"/,
  ],
  [
    "an Ollama model made of nothing",
    engine("ollama", "{ models: { tiny: {} } }"),
    /models\.tiny: has neither modelfile nor gguf/,
  ],
  [
    "a Modelfile without FROM",
    engine("ollama", "{ models: { tiny: { modelfile: 'SYSTEM hello' } } }"),
    /modelfile: has no FROM/,
  ],
  [
    "a GGUF that the Modelfile does not use",
    engine("ollama", "{ models: { tiny: { modelfile: 'FROM llama3', gguf: { path: /a.gguf } } } }"),
    /gguf: is not used by the modelfile/,
  ],
  [
    "Ollama's quantized cache",
    engine("ollama", "{ kv_cache_type: q8_0 }"),
    /kv_cache_type: a quantized cache needs flash attention/,
  ],
  [
    "a variable that a setting owns",
    engine("ollama", "{ extra_env: { OLLAMA_HOST: '0.0.0.0' } }"),
    /extra_env\.OLLAMA_HOST: a setting of this engine owns it/,
  ],
  [
    "fewer GPUs than workers",
    engine("vllm", `{ model: ${HF}, tensor_parallel: 4, gpus: 2 }`),
    /gpus: tensor_parallel × pipeline_parallel is 4, and the container gets 2 GPUs\. Fix: write 4/,
  ],
  [
    "as many ids as workers, or it is wrong",
    engine("vllm", `{ model: ${HF}, gpus: [0, 1] }`),
    /is 1, and the container gets 2 GPUs/,
  ],
  [
    "an adapter that nobody asks for",
    engine("vllm", `{ model: ${HF}, gpus: 1, lora: [{ name: sql, source: { path: /l } }] }`),
    /lora\.0\.name: no model of this provider has this upstream name/,
  ],
  [
    "nothing but adapters",
    engine("vllm", `{ model: ${HF}, gpus: 1, lora: [{ name: tiny, source: { path: /l } }] }`),
    /lora: every model of the provider is an adapter/,
  ],
  [
    "a guess without a model",
    engine("vllm", `{ model: ${HF}, gpus: 1, speculative: { method: eagle3 } }`),
    /speculative\.method: eagle3 needs a model/,
  ],
  [
    "tools that nobody reads",
    engine("vllm", `{ model: ${HF}, gpus: 1 }`, "[{ name: tiny, capabilities: [chat, completion, tools] }]"),
    /tool_parser: a model says tools/,
  ],
  [
    "a token itself",
    engine("vllm", `{ model: ${HF}, gpus: 1, hf_token: hf_abcdefgh }`),
    /hf_token: must be a reference/,
  ],
  [
    "an engine of a cloud",
    { providers: swap(PROVIDERS, "    type: openai\n", "    type: openai\n    engine: {}\n") },
    /engine: this program runs no engine of this type\. Fix: remove it and give a url/,
  ],
];

describe("what must hold together", () => {
  test.each(WRONG)("%s", (_what, files, line) => {
    expect(problemsOf(files)).toContainEqual(expect.stringMatching(line));
  });

  test.each([
    ["llama.cpp", engine("llama_cpp", `{ model: { url: "https://x/a.gguf", sha256: ${SHA} }, port: 8081 }`)],
    [
      "llama.cpp from the hub",
      engine(
        "llama_cpp",
        `{ model: { huggingface: o/m, revision: ${COMMIT}, file: q/a.gguf }, extra_args: [--swa-full], port: 8081 }`,
      ),
    ],
    ["Ollama", engine("ollama", "{ models: { tiny: { modelfile: 'FROM ./model.gguf', gguf: { path: /a.gguf } } } }")],
    [
      "vLLM",
      engine("vllm", `{ model: ${HF}, gpus: [0, GPU-1a2b], tensor_parallel: 2, speculative: { method: ngram } }`),
    ],
  ])("%s: nothing to say", (_name, files) => {
    const own = problemsOf(files).filter((line) => line.includes("engine"));
    expect(own).toEqual([]);
  });
});
