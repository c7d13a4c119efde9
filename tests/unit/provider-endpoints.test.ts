import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { providerEndpoints } from "../../operations/provider-endpoints.ts";
import { UsageError } from "../../operations/usage-error.ts";
import { folderOf, KNOWN, MAPPINGS, PROVIDERS, STACK, swap } from "../support/project.ts";

/** What the engine says of a deployed stack. */
const SAYS: Record<string, unknown> = {
  stack: { engineUrls: { llama: "http://10.0.0.12:8080/v1" }, engineKeys: { llama: "key-of-llama" } },
  config: { "ai-backend:OPENAI_API_KEY": { value: "key-of-cloud" }, "ai-backend:hosts": { value: "{}" } },
};
const ask = async ([verb]: string[]) => JSON.stringify(SAYS[verb as string]);

describe("providers as endpoints", () => {
  const files = {
    "Pulumi.t.yaml": STACK,
    "config/t/providers.yaml": PROVIDERS,
    "config/t/model-mappings.yaml": MAPPINGS,
    known_hosts: KNOWN,
  };
  let project: ReturnType<typeof folderOf>;
  beforeAll(() => {
    project = folderOf(files);
  });
  afterAll(() => project.done());
  const of = (...names: string[]) => providerEndpoints(project.dir, "t", names, 30, ask);

  test("a managed engine: its address and key are outputs of the stack", async () => {
    expect(await of("llama")).toEqual([
      {
        name: "llama",
        engine: "llama_cpp",
        url: "http://10.0.0.12:8080/v1",
        key: "key-of-llama",
        model: "tiny",
        contextLength: 1024,
        capabilities: ["chat", "completion"],
        timeoutSeconds: 30,
      },
    ]);
  });

  test("an external one: url and secret; clouds at their own address; Ollama gets its /v1", async () => {
    const [cloud, claude, box, vectors] = await of("cloud", "claude", "box", "vectors");
    expect(cloud).toMatchObject({ url: "https://api.openai.com/v1", key: "key-of-cloud", model: "gpt-4o" });
    expect(claude).toMatchObject({ url: "https://api.anthropic.com/v1", engine: "anthropic" });
    expect(claude?.key).toBeUndefined();
    expect(box).toMatchObject({ url: "http://10.0.0.9:11434/v1", model: "tiny", embeddingModel: "nomic-embed" });
    expect(vectors).toMatchObject({ model: "org/old:1", embeddingModel: "BAAI/bge-m3" });
  });

  test.each([
    ["an engine that is not there yet", "second", /"second" is not deployed yet: run `pulumi up --stack t`/],
    ["a name that is none", "nobody", /"nobody" is none of llama, second, box/],
  ])("%s", async (_what, name, words) => {
    await expect(of(name)).rejects.toThrow(UsageError);
    await expect(of(name)).rejects.toThrow(words);
  });

  test("without the engine at hand it says which command failed, and nothing of its output", async () => {
    const before = process.env.PULUMI_BACKEND_URL;
    process.env.PULUMI_BACKEND_URL = "file:///nowhere/at/all";
    try {
      const asked = providerEndpoints(project.dir, "t", ["llama"], 30);
      await expect(asked).rejects.toThrow(/`pulumi stack output` failed: .* \(is this shell set up for the stack\?\)/);
    } finally {
      if (before === undefined) delete process.env.PULUMI_BACKEND_URL;
      else process.env.PULUMI_BACKEND_URL = before;
    }
  }, 30_000);

  test("settings with mistakes are named", async () => {
    const broken = folderOf({ ...files, "config/t/providers.yaml": swap(PROVIDERS, "type: ollama", "type: olama") });
    try {
      await expect(providerEndpoints(broken.dir, "t", undefined, 30, ask)).rejects.toThrow(
        /have mistakes:\n {2}.*write "ollama"/,
      );
    } finally {
      broken.done();
    }
  });
});
