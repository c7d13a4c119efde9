import { describe, expect, test } from "@jest/globals";
import { renderRedis } from "../../components/cache/render-redis.ts";
import { type EdgeClient, renderClients, renderLimits, renderPriorities } from "../../components/edge/render-access.ts";
import { renderHaproxy } from "../../components/edge/render-haproxy.ts";
import { synRetries } from "../../components/gateway/gateway.ts";
import { digestOf } from "../../components/service/digest.ts";
import { renderBundle, renderEnvFile } from "../../components/service/render-bundle.ts";
import { shellWord } from "../../components/service/shell-word.ts";
import { baseUrl } from "../../config/litellm-kinds.ts";
import { expectGolden } from "../support/golden.ts";

describe("deployments", () => {
  test.each([
    ["openai", "https://x.example", "https://x.example/v1"],
    ["openai", "https://x.example/v1/", "https://x.example/v1"],
    ["llama_cpp", "http://10.0.0.1:8080", "http://10.0.0.1:8080/v1"],
    ["vllm", "http://10.0.0.1:8001/v1", "http://10.0.0.1:8001/v1"],
    ["ollama", "http://10.0.0.1:11434/v1", "http://10.0.0.1:11434"],
    ["anthropic", "https://a.example/v1", "https://a.example"],
  ] as const)("base URL of %s %s", (type, url, expected) => expect(baseUrl(type, url)).toBe(expected));
});

test.each([
  [3, 1],
  [6, 1],
  [7, 2],
  [15, 3],
  [60, 4],
])("in %i s the kernel tries %i more times to connect", (seconds, tries) => expect(synRetries(seconds)).toBe(tries));

describe("the other renderers", () => {
  const edge = { maxBodyBytes: 33554432, requestTimeoutSeconds: 300, allowedOrigins: [] };
  const clients: EdgeClient[] = [
    { name: "app", priority: "normal", requestsPerMinute: 60 },
    { name: "batch", priority: "low", models: ["tiny", "code"] },
  ];

  test("HAProxy golden, one client without limits", () =>
    expectGolden("haproxy.cfg", renderHaproxy({ ...edge, clients: [{ name: "app", priority: "normal" }] })));

  test("HAProxy golden, with limits, allowed models and origins", () => {
    const allowedOrigins = ["https://chat.example.com", "http://localhost:3000"];
    expectGolden("haproxy-clients.cfg", renderHaproxy({ ...edge, clients, allowedOrigins }));
  });

  test("limits and priorities are in maps: only those that have one", () => {
    expect([renderLimits(clients), renderPriorities(clients)]).toEqual(["app 60\n", "batch 100\n"]);
  });

  test("a client's hash is in the map, sorted by name", () => {
    expect(renderClients({ ff00: "zoe", aa11: "amy" })).toBe("aa11 amy\nff00 zoe\n");
  });

  test("Redis golden", () => expectGolden("redis.conf", renderRedis({ maxMemoryMiB: 256 })));
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
