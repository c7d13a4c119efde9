import { beforeEach, describe, expect, test } from "@jest/globals";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { Host, type HostArgs } from "../../components/host/host.ts";
import { LlamaCpp } from "../../components/providers/llama-cpp.ts";
import { Ollama } from "../../components/providers/ollama.ts";
import { Vllm } from "../../components/providers/vllm.ts";
import { LlamaCppEngine, OllamaEngine, VllmEngine } from "../../config/schema/engines.ts";
import { knownValue, type Registered, recordResources, settled } from "../support/mocks.ts";

let registered: Registered[];
beforeEach(async () => {
  registered = await recordResources();
});

const SHA = "a".repeat(64);
const COMMIT = "b".repeat(40);
const CONTAINER = "docker:index/container:Container";
const REMOTE = "command:remote:Command";
const HOST: HostArgs = {
  dataDir: "/opt/ai-backend",
  tool: "#!/bin/bash\n",
  modelTool: "#!/bin/bash\n# models\n",
  stack: "test",
  settings: { kind: "ssh", address: "10.0.0.1", port: 22, user: "root" },
  hostKey: "ssh-ed25519 AAAA",
  access: { knownHostsFile: "/k/known_hosts", controlDir: "/k/c", privateKeyFile: "/k/id" },
  privateKey: pulumi.secret("PRIVATE"),
};
const hub = { url: "https://hub.example.com" };
const reach = { address: "10.0.0.1" };

const one = (type: string, name: string) => {
  const found = registered.filter((resource) => resource.type === type && resource.name === name);
  expect(found.map((resource) => resource.name)).toEqual([name]);
  return found[0]?.inputs;
};
const named = (part: string) => registered.filter(({ type, name }) => type === REMOTE && name.includes(part));

describe("llama.cpp", () => {
  test("on its host's private address for others, in the network for a gateway beside it", async () => {
    const host = new Host("gpu", HOST);
    const engine = LlamaCppEngine.parse({ model: { path: "/srv/m/tiny.gguf" }, context_length: 512, port: 8081 });
    const network = new docker.Network("n", {}, { provider: host.provider });
    const common = { host, image: "llama:1", served: ["tiny"], hub };
    const far = new LlamaCpp("far", { ...common, engine, reach });
    const near = new LlamaCpp("near", { ...common, engine: { ...engine, gpus: 2 }, reach: { network } });
    expect([far.url, near.url]).toEqual(["http://10.0.0.1:8081/v1", "http://near:8080/v1"]);
    expect(await knownValue(far.key)).toBe("secret-of-far-key");
    await settled();
    const container = one(CONTAINER, "far");
    expect(container.ports).toEqual([{ ip: "10.0.0.1", external: 8081, internal: 8080, protocol: "tcp" }]);
    const [model] = container.volumes;
    expect(model).toMatchObject({ hostPath: "/srv/m", readOnly: true });
    expect(container.command[0]).toContain(`--model ${model.containerPath}/tiny.gguf`);
    expect(container.gpus).toBeUndefined();
    expect(one(CONTAINER, "near")).toMatchObject({ gpus: "2", networksAdvanced: [{ aliases: ["near"] }] });
    expect(one(CONTAINER, "near").ports).toBeUndefined();
    expect(one(REMOTE, "far-secrets").delete).toBe("/opt/ai-backend/bin/host remove far");
    expect(named("model")).toEqual([]); // nothing is fetched: no tool for it
  });

  test("one download serves every engine of a host; devices are asked for by id", async () => {
    const host = new Host("gpu", HOST);
    const engine = LlamaCppEngine.parse({
      model: { url: "https://x.example.com/a/it%20s.gguf?x=1", sha256: SHA },
      draft: { model: { huggingface: "org/m", revision: COMMIT, file: "q/d.gguf" } },
      gpus: [0, "GPU-1a"],
    });
    const common = { host, image: "llama:1", served: ["tiny"], hub, reach };
    new LlamaCpp("a", { ...common, engine });
    new LlamaCpp("b", { ...common, engine: { ...engine, port: 8081 } });
    await settled();
    const path = `sha256/${SHA}/it-s.gguf`;
    expect(one(REMOTE, "gpu-model-aaaaaaaa-it-s.gguf").create).toBe(
      `/opt/ai-backend/bin/models file ${path} ${SHA} 'https://x.example.com/a/it%20s.gguf?x=1'`,
    );
    const draft = `hub/org/m/${COMMIT}/q/d.gguf`;
    expect(named("d.gguf").map(({ inputs }) => inputs.create)).toEqual([
      `/opt/ai-backend/bin/models hub-file ${draft} - https://hub.example.com org/m ${COMMIT} q/d.gguf`,
    ]);
    expect(one(REMOTE, "gpu-model-tool").stdin).toBe("#!/bin/bash\n# models\n");
    for (const name of ["a", "b"]) {
      const { command, volumes, gpus } = one(CONTAINER, name);
      expect(command[0]).toContain(`--model /models/fetched/${path} `);
      expect(command[0]).toContain(`--spec-draft-model /models/fetched/${draft} `);
      expect(volumes[0]).toEqual({
        hostPath: "/opt/ai-backend/models",
        containerPath: "/models/fetched",
        readOnly: true,
      });
      expect(gpus).toBe('"device=0,GPU-1a"');
    }
  });
});

test("Ollama: what is asked for is pulled, or made from its file; its store is its own", async () => {
  const host = new Host("gpu", HOST);
  const engine = OllamaEngine.parse({
    models: {
      mine: { gguf: { url: "https://x.example.com/m.gguf", sha256: SHA } },
      poet: { modelfile: "FROM mine\n" },
    },
  });
  const ollama = new Ollama("box", {
    host,
    image: "ollama:1",
    engine,
    served: ["llama3.1:8b", "mine", "poet"],
    reach,
    hub,
  });
  expect(ollama.url).toBe("http://10.0.0.1:11434/v1");
  await settled();
  const plan = one(REMOTE, "box-models");
  expect(plan.create).toBe("/opt/ai-backend/bin/models ollama box-id");
  expect(plan.stdin.split("\n")).toEqual([
    "pull llama3.1:8b",
    expect.stringMatching(/^create mine \d+ [0-9a-f]{16}$/),
    `FROM /models/fetched/sha256/${SHA}/m.gguf`,
    "",
    expect.stringMatching(/^create poet 10 [0-9a-f]{16}$/),
    "FROM mine",
    "",
    "",
  ]);
  const { envs, volumes, user } = one(CONTAINER, "box");
  expect(envs).toContain("OLLAMA_HOST=0.0.0.0:11434");
  expect(volumes).toContainEqual({
    hostPath: "/opt/ai-backend/box/store",
    containerPath: "/var/lib/ollama",
    readOnly: false,
  });
  expect(user).toBe("65534:65534");
});

test("vLLM: the weights by its own image, the token in no argument, its key in no argument", async () => {
  const host = new Host("gpu", HOST);
  const engine = VllmEngine.parse({
    model: { huggingface: "org/m", revision: COMMIT },
    lora: [{ name: "sql", source: { path: "/srv/lora/sql" } }],
    gpus: "all",
    ipc: "host",
    hf_token: "${HF_TOKEN}",
  });
  const token = pulumi.secret("hf_secret_token");
  const args = { host, image: "vllm:1", engine, served: ["m", "sql"], reach, hub: { ...hub, token } };
  const vllm = new Vllm("big", args);
  expect(vllm.url).toBe("http://10.0.0.1:8001/v1");
  expect(await knownValue(vllm.key)).toBe("secret-of-big-key");
  await settled();
  const folder = `hub/org/m/${COMMIT}.all`;
  expect(named("b.all").map(({ inputs }) => inputs.create)).toEqual([
    `/opt/ai-backend/bin/models hub-folder ${folder} vllm:1 https://hub.example.com org/m ${COMMIT}`,
  ]);
  expect(one(REMOTE, "gpu-model-token")).toMatchObject({ create: "/opt/ai-backend/bin/models token", logging: "none" });
  const { command, gpus, ipcMode, shmSize, envs } = one(CONTAINER, "big");
  expect(command[0]).toContain(`exec vllm serve /models/fetched/${folder} --served-model-name m --host`);
  expect(command[0]).toMatch(/--lora-modules sql=\/models\/[0-9a-f]{8}\/sql/);
  expect({ gpus, ipcMode, shmSize }).toEqual({ gpus: "all", ipcMode: "host", shmSize: 1024 });
  expect(JSON.stringify({ command, envs })).not.toContain("hf_secret_token");
  expect(JSON.stringify({ command, envs })).not.toContain("secret-of-big-key");
});
