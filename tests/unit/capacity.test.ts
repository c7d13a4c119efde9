import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { capacityLines, capacityPlan, gpusOf, kvCacheMiB } from "../../config/capacity.ts";
import { Provider, type ProviderSettings } from "../../config/schema/providers.ts";
import { Host, type HostSettings } from "../../config/schema/stack.ts";
import { PROVIDERS, problemsOf, STACK, swap } from "../support/project.ts";

/** Llama 3.1 8B in Q4_K_M. */
const LLAMA_8B = { weights_mib: 4693, layers: 32, kv_heads: 8, head_dim: 128 };
const COMMIT = "b".repeat(40);
const provider = (type: string, engine: object, memory: object | undefined = LLAMA_8B, count = 1): ProviderSettings =>
  Provider.parse({ type, engine, models: Array.from({ length: count }, (_, i) => ({ name: `m${i}`, memory })) });
const llama = (engine: object = {}, memory?: object) =>
  provider("llama_cpp", { model: { path: "/m.gguf" }, gpu_layers: 999, gpus: 1, ...engine }, memory);
const UNKNOWN = Provider.parse({
  type: "llama_cpp",
  engine: { model: { path: "/m.gguf" }, gpus: 1, gpu_layers: 999 },
  models: [{ name: "x" }],
});
const vllm = (engine: object = {}, memory: object | undefined = { ...LLAMA_8B, weights_mib: 15317 }) =>
  provider(
    "vllm",
    { model: { huggingface: "o/m", revision: COMMIT }, gpus: 1, context_length: 8192, ...engine },
    memory,
  );
const host = (room: object = { gpus: { count: 2, memoryMiB: 24564 } }): HostSettings =>
  Host.parse({ kind: "ssh", address: "10.0.0.1", ...room });
const planOf = (providers: Record<string, ProviderSettings>, room?: object) => {
  const placement = Object.fromEntries(Object.keys(providers).map((name) => [name, "gpu1"]));
  return capacityPlan({ gpu1: host(room) }, placement, providers).get("gpu1");
};

describe("the KV cache", () => {
  test("of a known model: Llama 3.1 8B takes 128 KiB a token in f16", () => {
    expect(kvCacheMiB(LLAMA_8B, 8192, "f16")).toBe(1024);
    expect(kvCacheMiB(LLAMA_8B, 8192, "fp8")).toBe(512);
    expect(kvCacheMiB(LLAMA_8B, 8192, "q8_0")).toBe(544);
    expect(kvCacheMiB(LLAMA_8B, 8192, "f16", "q4_0")).toBe(512 + 144);
  });

  test("grows with every part of it, and never shrinks", () => {
    const size = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(size, size, size, fc.integer({ min: 1, max: 200_000 }), (layers, kv_heads, head_dim, tokens) => {
        const memory = { weights_mib: 1, layers, kv_heads, head_dim };
        const now = kvCacheMiB(memory, tokens, "f16");
        expect(kvCacheMiB(memory, tokens + 1, "f16")).toBeGreaterThan(now);
        expect(kvCacheMiB({ ...memory, layers: layers + 1 }, tokens, "f16")).toBeGreaterThan(now);
        expect(kvCacheMiB(memory, tokens, "q8_0")).toBeLessThan(now);
      }),
    );
  });
});

describe("what an engine takes", () => {
  test("llama.cpp: weights, the cache of every slot, and a reserve; what stays in main memory is not on the GPU", () => {
    const whole = planOf({ a: llama({ context_length: 4096, parallel: 2 }) });
    expect(whole?.holdings[0]).toMatchObject({ weightsMiB: 4693, kvMiB: 1024, basis: "counted" });
    expect(whole?.held).toEqual([4693 + 1024 + 768, 0]);
    const half = planOf({ a: llama({ context_length: 4096, parallel: 2, gpu_layers: 16 }) });
    expect(half?.held[0]).toBeCloseTo((16 / 33) * (4693 + 1024) + 768);
    expect(planOf({ a: llama({ gpu_layers: 0 }) })?.held).toEqual([0, 0]);
  });

  test("a number of GPUs means the first ones, a list means those", () => {
    expect([gpusOf("all", 3), gpusOf(2, 4), gpusOf([1, "GPU-1a"], 4)]).toEqual([[0, 1, 2], [0, 1], [1]]);
    const plan = planOf({ a: llama({ gpus: [1] }), b: llama({ gpus: 1, port: 8081 }) });
    expect(plan?.held).toEqual([4693 + 512 + 768, 4693 + 512 + 768]);
    expect(planOf({ a: llama({ gpus: 2 }) })?.held[1]).toBeCloseTo((4693 + 512) / 2 + 768);
  });

  test("Ollama: the largest models that may be loaded at once", () => {
    const ollama = Provider.parse({
      type: "ollama",
      engine: { gpus: "all", max_loaded_models: 2, context_length: 8192 },
      models: [1000, 3000, 2000].map((weights_mib) => ({
        name: `m${weights_mib}`,
        memory: { ...LLAMA_8B, weights_mib },
      })),
    });
    expect(planOf({ o: ollama }, { gpus: { count: 1, memoryMiB: 24564 } })?.held).toEqual([5000 + 2 * 1024 + 2 * 768]);
  });

  test("vLLM takes its share at once; a model that does not fit into it is refused before it is tried", () => {
    expect(planOf({ v: vllm() })?.held[0]).toBeCloseTo(0.9 * 24564);
    expect(planOf({ v: vllm() })?.holdings[0]?.refusal).toBeUndefined();
    const [holding] = planOf({ v: vllm({ context_length: 131072 }) })?.holdings ?? [];
    expect(holding?.refusal?.[0]).toMatch(
      /^needs 32\.5 GiB on each GPU .* one request of 131072 tokens, and takes 21\.6 GiB/,
    );
    const spread = planOf({ v: vllm({ context_length: 131072, tensor_parallel: 2, gpus: 2 }) });
    expect(spread?.holdings[0]?.refusal).toBeUndefined();
    expect(spread?.held[1]).toBeCloseTo(0.9 * 24564);
  });

  test("said instead of counted, unknown, and disabled", () => {
    const plan = planOf({ a: llama({ gpu_memory_mib: 9000 }), b: UNKNOWN });
    expect(plan?.holdings.map(({ basis }) => basis)).toEqual(["said", "unknown"]);
    expect(planOf({ a: { ...llama(), status: "disabled" } })).toBeUndefined();
  });
});

test("a host's lines for people", () => {
  const room = { gpus: { count: 2, memoryMiB: 24564 }, memoryMiB: 65536 };
  const hosts = { gpu1: host(room) };
  const providers = { a: llama(), u: UNKNOWN };
  const plans = capacityPlan(hosts, { a: "gpu1", u: "gpu1" }, providers);
  expect(capacityLines(plans, hosts)).toEqual({
    gpu1: [
      "GPU 0: 5.8 GiB of 24.0 GiB: a 5.8 GiB (weights 4.6 GiB, KV cache 0.5 GiB), u (size not said)",
      "GPU 1: 0.0 GiB of 24.0 GiB: nothing",
      "memory: 8.0 GiB of 64.0 GiB: a, u",
    ],
  });
});

describe("what does not fit is refused", () => {
  const gpu = (room: string) => ({ stack: swap(STACK, "gpus: { count: 1, memoryMiB: 24576 }", room) });
  const model = (text: string) => ({
    providers: swap(
      PROVIDERS,
      "gpus: 1, gpu_memory_mib: 8192 }\n    rate_limits",
      `gpus: 1, gpu_layers: 999 }\n    rate_limits`,
    ).replace(
      "      - { name: tiny, context_length: 1024 }\n  second",
      `      - { name: tiny, context_length: 1024, memory: ${text} }\n  second`,
    ),
  });
  test.each([
    [
      "more GPUs than there are",
      { providers: swap(PROVIDERS, "gpus: 1, gpu", "gpus: 2, gpu") },
      /asks for GPU 1 of "gpu1", which has 1 \(0 to 0\)/,
    ],
    [
      "an id that is not there",
      { providers: swap(PROVIDERS, "gpus: 1, gpu", "gpus: [3], gpu") },
      /asks for GPU 3 of "gpu1"/,
    ],
    [
      "weights that are too large",
      model("{ weights_mib: 30000, layers: 32, kv_heads: 8, head_dim: 128 }"),
      /providers\.llama: needs 30\.3 GiB on GPU 0 of "gpu1", and that has 24\.0 GiB\. Fix: place it elsewhere/,
    ],
    [
      "too much for the memory",
      gpu("memoryMiB: 8192"),
      /hosts\.gpu1\.memoryMiB: has 8\.0 GiB, and llama, second may take 8\.0 GiB \(memory_mib\), besides 1 GiB/,
    ],
    [
      "an old setting",
      gpu("gpuMemoryMiB: 24576"),
      /gpuMemoryMiB: unknown setting\. Fix: write gpus: \{ count: 1, memoryMiB: … \}/,
    ],
    [
      "a size that nobody knows",
      { providers: swap(PROVIDERS, "gpus: 1, gpu_memory_mib: 8192", "gpus: 1") },
      /warning: placement\.providers\.llama: what it takes on its GPUs is not known\. Fix: add memory to its model/,
    ],
  ])("%s", (_what, files, line) => {
    expect(problemsOf(files)).toContainEqual(expect.stringMatching(line));
  });

  test("too much for the disk", () => {
    const { providers } = model("{ weights_mib: 3000, layers: 1, kv_heads: 1, head_dim: 1 }");
    const { stack } = gpu("diskMiB: 2048");
    expect(problemsOf({ stack, providers })).toContainEqual(
      expect.stringMatching(/hosts\.gpu1\.diskMiB: has 2\.0 GiB for models, and those of llama, second take 2\.9 GiB/),
    );
  });
});
