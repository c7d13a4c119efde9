import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parse } from "yaml";
import { renderRedis } from "../../components/cache/render-redis.ts";
import { renderClients, renderHaproxy } from "../../components/edge/render-haproxy.ts";
import { baseUrl, deploymentsOf, keyVariableOf } from "../../components/gateway/deployments.ts";
import { type GatewaySettings, renderLitellm } from "../../components/gateway/render-litellm.ts";
import { renderLlamaCpp } from "../../components/providers/render-llama-cpp.ts";
import { digestOf } from "../../components/service/digest.ts";
import { renderBundle, renderEnvFile } from "../../components/service/render-bundle.ts";
import { shellWord } from "../../components/service/shell-word.ts";
import { expectGolden } from "../support/golden.ts";

const gateway: GatewaySettings = {
  deployments: [
    {
      route: "tiny",
      provider: "llama_gpu1",
      model: "openai/tiny",
      apiBase: "http://10.88.0.12:8080/v1",
      keyVariable: "PROVIDER_LLAMA_GPU1_KEY",
      timeoutSeconds: 300,
      contextLength: 1024,
    },
    {
      route: "gpt-4o",
      provider: "openai",
      model: "openai/gpt-4o",
      keyVariable: "PROVIDER_OPENAI_KEY",
      timeoutSeconds: 30,
      contextLength: 128000,
      maxOutputTokens: 16384,
    },
  ],
  fallbacks: { tiny: ["gpt-4o"], "gpt-4o": [] },
  cacheHost: "cache",
  cacheTtlSeconds: 3600,
  retries: 1,
  cooldownSeconds: 30,
  allowedFails: 1,
};

describe("LiteLLM's configuration", () => {
  test("golden", () => expectGolden("litellm.yaml", renderLitellm(gateway)));

  test("the same input gives the same bytes", () =>
    expect(renderLitellm(structuredClone(gateway))).toBe(renderLitellm(gateway)));

  test("every deployment is there with a stable id, every chain keeps its order, keys are references", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9.:-]{0,12}$/);
    const deployment = fc.record({
      route: name,
      provider: fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/),
      model: name.map((text) => `openai/${text}`),
      keyVariable: fc.constant("PROVIDER_X_KEY"),
      timeoutSeconds: fc.integer({ min: 1, max: 3600 }),
    });
    fc.assert(
      fc.property(
        fc.array(deployment, { minLength: 1, maxLength: 20 }),
        fc.dictionary(name, fc.array(name, { maxLength: 4 })),
        (deployments, fallbacks) => {
          const rendered = parse(renderLitellm({ ...gateway, deployments, fallbacks }));
          expect(rendered.model_list.map((one: { model_info: { id: string } }) => one.model_info.id)).toEqual(
            deployments.map(({ route, provider }) => `${route}@${provider}`),
          );
          for (const one of rendered.model_list) expect(one.litellm_params.api_key).toBe("os.environ/PROVIDER_X_KEY");
          expect(Object.assign({}, ...rendered.router_settings.fallbacks)).toEqual(
            Object.fromEntries(Object.entries(fallbacks).filter(([, chain]) => chain.length > 0)),
          );
          expect(rendered.router_settings.allowed_fails).toBeDefined();
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe("deployments", () => {
  test.each([
    ["openai", "https://x.example", "https://x.example/v1"],
    ["openai", "https://x.example/v1/", "https://x.example/v1"],
    ["llama_cpp", "http://10.0.0.1:8080", "http://10.0.0.1:8080/v1"],
    ["vllm", "http://10.0.0.1:8001/v1", "http://10.0.0.1:8001/v1"],
    ["ollama", "http://10.0.0.1:11434/v1", "http://10.0.0.1:11434"],
    ["anthropic", "https://a.example/v1", "https://a.example"],
  ] as const)("base URL of %s %s", (type, url, expected) => expect(baseUrl(type, url)).toBe(expected));

  test("an engine's address and key come from the program, an external one's from its settings", () => {
    const common = { status: "active" as const, timeout_seconds: 60 };
    const providers = {
      "llama-1": {
        ...common,
        type: "llama_cpp" as const,
        models: [{ name: "tiny", context_length: 512, max_output_tokens: 64 }],
      },
      cloud: { ...common, type: "openai" as const, api_key: "${K}", models: [{ name: "gpt-4o" }] },
      box: { ...common, type: "ollama" as const, url: "http://10.0.0.9:11434", models: [{ name: "qwen" }] },
    };
    const routing = {
      retries: 1,
      cooldown_seconds: 30,
      allowed_fails: 1,
      exact_matches: {
        small: { provider: "llama-1", model: "tiny", fallback_chain: [] },
        "gpt-4o": { provider: "cloud", fallback_chain: [] },
        qwen: { provider: "box", fallback_chain: [] },
        lost: { provider: "nobody", fallback_chain: [] },
      },
    };
    expect(deploymentsOf(routing, providers, { "llama-1": "http://10.0.0.3:8080/v1" })).toEqual([
      {
        route: "small",
        provider: "llama-1",
        model: "openai/tiny",
        apiBase: "http://10.0.0.3:8080/v1",
        keyVariable: "PROVIDER_LLAMA_1_KEY",
        timeoutSeconds: 60,
        contextLength: 512,
        maxOutputTokens: 64,
      },
      {
        route: "gpt-4o",
        provider: "cloud",
        model: "openai/gpt-4o",
        keyVariable: "PROVIDER_CLOUD_KEY",
        timeoutSeconds: 60,
      },
      {
        route: "qwen",
        provider: "box",
        model: "ollama_chat/qwen",
        apiBase: "http://10.0.0.9:11434",
        timeoutSeconds: 60,
      },
    ]);
    expect(keyVariableOf("a-b")).toBe("PROVIDER_A_B_KEY");
  });
});

describe("the other renderers", () => {
  test("HAProxy golden", () =>
    expectGolden("haproxy.cfg", renderHaproxy({ maxBodyBytes: 33554432, requestTimeoutSeconds: 300 })));

  test("a client's hash is in the map, sorted by name", () => {
    expect(renderClients({ ff00: "zoe", aa11: "amy" })).toBe("aa11 amy\nff00 zoe\n");
  });

  test("Redis golden", () => expectGolden("redis.conf", renderRedis({ maxMemoryMiB: 256 })));

  test("llama-server: the context is divided among the slots", () => {
    const engine = {
      model_path: "/srv/m/a b.gguf",
      context_length: 1024,
      parallel: 4,
      gpu_layers: 99,
      gpus: 1 as const,
      threads: 8,
      port: 8080,
      memory_mib: 512,
    };
    const args = renderLlamaCpp(engine, "tiny");
    expect(args.slice(0, 2)).toEqual(["--model", "/models/a b.gguf"]);
    expect(args[args.indexOf("--ctx-size") + 1]).toBe("4096");
    expect(args[args.indexOf("--threads") + 1]).toBe("8");
    expect(renderLlamaCpp({ ...engine, threads: undefined }, "tiny")).not.toContain("--threads");
  });
});

describe("a release's bundle", () => {
  test("sorted, with sizes in bytes", () => {
    expect(renderBundle({ "b.txt": "é\n", "a/x.yaml": "k: 1" })).toBe("==> a/x.yaml 4\nk: 1\n==> b.txt 3\né\n\n");
  });
  test.each(["../x", "/x", "a//b", "a/../b", "", "a b"])("refuses the name %j", (name) => {
    expect(() => renderBundle({ [name]: "" })).toThrow("is no name of a file");
  });
  test("an env file survives any value", () => {
    expect(renderEnvFile({ B: "it's", A: '$x `y` "z"' })).toBe("A='$x `y` \"z\"'\nB='it'\\''s'\n");
  });
});

describe("digests and words", () => {
  test("the order of keys does not matter, the order of lists does", () => {
    expect(digestOf({ a: 1, b: [1, 2] })).toBe(digestOf({ b: [1, 2], a: 1, c: undefined }));
    expect(digestOf({ b: [1, 2] })).not.toBe(digestOf({ b: [2, 1] }));
    expect(digestOf("text")).toMatch(/^[0-9a-f]{16}$/);
    expect(digestOf(null)).toMatch(/^[0-9a-f]{16}$/);
  });
  test("a word stays one word", () => {
    expect(shellWord("a/b:c-1")).toBe("a/b:c-1");
    expect(shellWord("a 'b' $c")).toBe(`'a '\\''b'\\'' $c'`);
  });
});
