/**
 * What each host will hold: counted before anything is touched, from what the settings say of models.
 *
 * KV cache of one token: 2 (keys and values) × layers × kv_heads × head_dim × bytes of a number. Bytes of
 * llama.cpp's formats follow from ggml's blocks of 32 numbers (ggml-common.h: q8_0 has 34 bytes, q4_0 18).
 */
import type { EngineSettings, LlamaCppEngine, OllamaEngine, VllmEngine } from "./schema/engines.ts";
import type { ModelMemory, ModelSettings, ProviderSettings } from "./schema/providers.ts";
import type { HostSettings } from "./schema/stack.ts";

const MIB = 1024 * 1024;
/** Bytes of a number in the KV cache, by format. vLLM's auto is the model's own, two bytes. */
const KV_BYTES: Record<string, number> = {
  ...{ f32: 4, f16: 2, bf16: 2, auto: 2, q8_0: 34 / 32, q5_1: 24 / 32, q5_0: 22 / 32, q4_1: 20 / 32, q4_0: 18 / 32 },
  ...{ iq4_nl: 18 / 32, fp8: 1, fp8_e4m3: 1, fp8_e5m2: 1 },
};
/**
 * What an engine takes on each of its GPUs besides weights and cache: the CUDA context (300 to 500 MiB) and
 * buffers of a computation. A round figure on the safe side, not a measurement of yours.
 */
export const RESERVE_MIB = { llama_cpp: 768, ollama: 768, vllm: 1536 } as const;

/** One engine's share of one GPU. */
export interface Share {
  gpu: number;
  mib: number;
}

export interface Holding {
  provider: string;
  shares: Share[];
  weightsMiB: number;
  kvMiB: number;
  /** `said`: the settings give the sum; `unknown`: nothing is known of its size. */
  basis: "counted" | "said" | "unknown";
  /** What keeps it from starting, and what to do. */
  refusal?: [string, string];
}

export interface HostPlan {
  holdings: Holding[];
  /** MiB held of each GPU; empty when the host has none, or does not say. */
  held: number[];
  /** Limits of the containers' memory together, MiB. */
  containersMiB: number;
}

/** MiB of the KV cache for so many tokens. */
export function kvCacheMiB({ layers, kv_heads, head_dim }: ModelMemory, tokens: number, k: string, v = k): number {
  const bytes = ((KV_BYTES[k] ?? 2) + (KV_BYTES[v] ?? 2)) * layers * kv_heads * head_dim;
  return (bytes * tokens) / MIB;
}

/** Which GPUs a container gets. Docker gives the first ones for a number. */
export function gpusOf(gpus: EngineSettings["gpus"], count: number): number[] {
  if (gpus === "all") return Array.from({ length: count }, (_, i) => i);
  if (typeof gpus === "number") return Array.from({ length: gpus }, (_, i) => i);
  // An id that is no number names a GPU that only the host knows: it is not counted.
  return gpus.filter((id): id is number => typeof id === "number");
}

type Size = { weightsMiB: number; kvMiB: number; reserve: number };

function llamaSize({ memory }: ModelSettings, engine: LlamaCppEngine): Size | undefined {
  if (!memory) return undefined;
  // The layer of the answer counts as one more.
  const share = Math.min(1, engine.gpu_layers / (memory.layers + 1));
  const kv = kvCacheMiB(memory, engine.context_length * engine.parallel, engine.cache_type_k, engine.cache_type_v);
  return { weightsMiB: memory.weights_mib * share, kvMiB: kv * share, reserve: share > 0 ? RESERVE_MIB.llama_cpp : 0 };
}

/** The largest that may be loaded at once. */
function ollamaSize(models: ModelSettings[], engine: OllamaEngine): Size | undefined {
  if (models.some(({ memory }) => !memory)) return undefined;
  const sizes = models.map(({ memory }) => ({
    weightsMiB: memory?.weights_mib ?? 0,
    kvMiB: memory ? kvCacheMiB(memory, engine.context_length * engine.parallel, engine.kv_cache_type) : 0,
  }));
  sizes.sort((one, other) => other.weightsMiB + other.kvMiB - one.weightsMiB - one.kvMiB);
  const loaded = sizes.slice(0, engine.max_loaded_models);
  const sum = (of: (size: { weightsMiB: number; kvMiB: number }) => number) =>
    loaded.reduce((all, one) => all + of(one), 0);
  return {
    weightsMiB: sum(({ weightsMiB }) => weightsMiB),
    kvMiB: sum(({ kvMiB }) => kvMiB),
    reserve: RESERVE_MIB.ollama * loaded.length,
  };
}

/** vLLM takes its share of each GPU at once, whatever the model; the model must fit in it. */
function vllmHolding(
  name: string,
  [model]: ModelSettings[],
  engine: VllmEngine,
  on: number[],
  gpuMiB: number,
): Holding {
  const takes = engine.gpu_memory_utilization * gpuMiB;
  const shares = on.map((gpu) => ({ gpu, mib: takes }));
  const memory = model?.memory;
  if (!memory) return { provider: name, shares, weightsMiB: 0, kvMiB: 0, basis: "said" };
  const workers = engine.tensor_parallel * engine.pipeline_parallel;
  const context = engine.context_length ?? model.context_length ?? 0;
  const kvMiB = kvCacheMiB(memory, context, engine.kv_cache_dtype);
  const needs = (memory.weights_mib + kvMiB) / workers + RESERVE_MIB.vllm;
  const holding: Holding = { provider: name, shares, weightsMiB: memory.weights_mib, kvMiB, basis: "counted" };
  if (needs <= takes || gpuMiB === 0) return holding;
  const why = `needs ${gib(needs)} on each GPU for its weights and one request of ${context} tokens, and takes ${gib(takes)} (gpu_memory_utilization ${engine.gpu_memory_utilization} of ${gib(gpuMiB)})`;
  return { ...holding, refusal: [why, "lower context_length, quantize, or spread it with tensor_parallel"] };
}

function holdingOf(name: string, provider: ProviderSettings, gpus: { count: number; memoryMiB: number }): Holding {
  const engine = provider.engine as EngineSettings;
  const on = gpusOf(engine.gpus, gpus.count);
  const spread = (mib: number) => on.map((gpu) => ({ gpu, mib: mib / on.length }));
  if (provider.type === "vllm" && engine.gpu_memory_mib === undefined)
    return vllmHolding(name, provider.models, engine as VllmEngine, on, gpus.memoryMiB);
  if (engine.gpu_memory_mib !== undefined)
    return { provider: name, shares: spread(engine.gpu_memory_mib), weightsMiB: 0, kvMiB: 0, basis: "said" };
  const size =
    provider.type === "ollama"
      ? ollamaSize(provider.models, engine as OllamaEngine)
      : llamaSize(provider.models[0] as ModelSettings, engine as LlamaCppEngine);
  if (!size) return { provider: name, shares: spread(0), weightsMiB: 0, kvMiB: 0, basis: "unknown" };
  const { weightsMiB, kvMiB, reserve } = size;
  return {
    provider: name,
    shares: spread(weightsMiB + kvMiB + reserve * on.length),
    weightsMiB,
    kvMiB,
    basis: "counted",
  };
}

/** Host → what it will hold. Engines that are disabled hold nothing. */
export function capacityPlan(
  hosts: Record<string, HostSettings>,
  placement: Record<string, string>,
  providers: Record<string, ProviderSettings>,
): Map<string, HostPlan> {
  const plans = new Map<string, HostPlan>();
  for (const [name, hostName] of Object.entries(placement)) {
    const provider = providers[name];
    const host = hosts[hostName];
    if (!host || !provider?.engine || provider.status === "disabled") continue;
    const gpus = host.gpus ?? { count: 0, memoryMiB: 0 };
    const empty: HostPlan = { holdings: [], held: Array(gpus.count).fill(0), containersMiB: 0 };
    const plan = plans.get(hostName) ?? empty;
    const holding = holdingOf(name, provider, gpus);
    plan.holdings.push(holding);
    for (const { gpu, mib } of holding.shares) if (gpu < gpus.count) plan.held[gpu] = (plan.held[gpu] ?? 0) + mib;
    plan.containersMiB += provider.engine.memory_mib;
    plans.set(hostName, plan);
  }
  return plans;
}

export const gib = (mib: number) => `${(mib / 1024).toFixed(1)} GiB`;

/** Host → lines for people: what is on each GPU, and in memory. */
export function capacityLines(
  plans: Map<string, HostPlan>,
  hosts: Record<string, HostSettings>,
): Record<string, string[]> {
  return Object.fromEntries(
    [...plans].map(([name, { holdings, held, containersMiB }]) => {
      const host = hosts[name];
      const onGpus = held.map((mib, gpu) => {
        const parts = holdings.flatMap((holding) => {
          const share = holding.shares.find((one) => one.gpu === gpu);
          if (!share) return [];
          if (holding.basis === "unknown") return [`${holding.provider} (size not said)`];
          const { weightsMiB, kvMiB } = holding;
          const detail = weightsMiB > 0 ? ` (weights ${gib(weightsMiB)}, KV cache ${gib(kvMiB)})` : "";
          return [`${holding.provider} ${gib(share.mib)}${detail}`];
        });
        return `GPU ${gpu}: ${gib(mib)} of ${gib(host?.gpus?.memoryMiB ?? 0)}: ${parts.join(", ") || "nothing"}`;
      });
      const of = host?.memoryMiB === undefined ? "" : ` of ${gib(host.memoryMiB)}`;
      return [
        name,
        [...onGpus, `memory: ${gib(containersMiB)}${of}: ${holdings.map(({ provider }) => provider).join(", ")}`],
      ];
    }),
  );
}
