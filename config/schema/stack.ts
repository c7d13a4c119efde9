/** What `Pulumi.<stack>.yaml` may say: where things run. Everything under `ai-backend:`. */
import { z } from "zod";
import { Image, MemoryMiB, ModelName, Name, Port } from "./names.ts";

const Address = z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, "must be a host name or an IP address");

const room = {
  gpus: z
    .strictObject({
      count: z.int().min(1).max(64).describe("How many, all alike."),
      memoryMiB: MemoryMiB.describe("Memory of each, MiB, as `nvidia-smi` says it: 24564."),
    })
    .optional()
    .describe("Its GPUs; engines must fit on them. Default: none are known, and nothing is checked."),
  memoryMiB: MemoryMiB.optional().describe(
    "Its memory, MiB; the engines' limits together must leave 1024. Default: not checked.",
  ),
  diskMiB: MemoryMiB.optional().describe(
    "Room for models on it, MiB; the weights of its engines must fit. Default: not checked.",
  ),
};

const SshHost = z.strictObject({
  kind: z.literal("ssh").describe("A machine reached over SSH."),
  address: Address.describe(
    "Name or private IP address. Engines on this host listen on it, so it must be an IP address of the host itself if engines run here.",
  ),
  port: Port.default(22).describe("sshd's port. Default 22."),
  user: z
    .string()
    .min(1)
    .default("root")
    .describe("Login; must be able to use Docker and write the data folder. Default root."),
  bastion: Name.optional().describe(
    "Name of another ssh host of this stack to go through. Default: none, connect straight.",
  ),
  ...room,
});

const LocalHost = z.strictObject({
  kind: z.literal("local").describe("The machine Pulumi itself runs on; no SSH."),
  address: Address.optional().describe(
    "Private IP address that engines listen on for other hosts. Default: none, engines stay inside Docker.",
  ),
  ...room,
});

export const Host = z.discriminatedUnion("kind", [SshHost, LocalHost]);

export const Ssh = z.strictObject({
  privateKeyFile: z
    .string()
    .min(1)
    .optional()
    .describe("Path of the private key, relative to the project. Default: the SSH agent (SSH_AUTH_SOCK)."),
  knownHostsFile: z
    .string()
    .min(1)
    .describe(
      "Path of a known_hosts file with the pinned key of every ssh host, relative to the project. A host that is not in it is refused.",
    ),
});

export const StackSettings = z.strictObject({
  hosts: z.record(Name, Host).describe("The machines, by name."),
  ssh: Ssh.optional().describe("How ssh hosts are reached. Needed when there is one."),
  placement: z
    .strictObject({
      gateway: Name.describe("Host of the edge, the gateway and its cache."),
      providers: z.record(Name, Name).default({}).describe("Managed provider → the host it runs on."),
    })
    .describe("What runs where."),
  edge: z
    .strictObject({
      bind: z
        .ipv4("must be an IPv4 address")
        .default("127.0.0.1")
        .describe(
          "Address of the gateway host that the edge's port is published on. Default 127.0.0.1: this host only.",
        ),
      port: Port.default(4000).describe("The only published port. Default 4000."),
      allowedOrigins: z
        .array(
          z
            .string()
            .regex(
              /^https?:\/\/[A-Za-z0-9.-]+(:\d{1,5})?$/,
              "must be an origin as https://chat.example.com, without a path",
            ),
        )
        .default([])
        .describe("Web pages whose scripts may call (CORS), as https://chat.example.com. Default: none."),
    })
    .prefault({})
    .describe("The door: HAProxy."),
  clients: z
    .array(
      z.strictObject({
        name: Name.describe("Who calls. Its key is made by the stack and is an output of it."),
        models: z
          .array(ModelName)
          .min(1, "needs at least one route; remove it to allow all")
          .optional()
          .describe("Routes and aliases it may ask for; fallbacks outside of them are not asked. Default: all."),
        requestsPerMinute: z
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe("Requests in any 60 s; beyond it 429. Default: no limit."),
        priority: z
          .enum(["critical", "high", "normal", "low"])
          .default("normal")
          .describe("Who goes first where requests wait. Default normal."),
      }),
    )
    .min(1, "needs at least one client, or nobody can call the gateway")
    .describe("Who may call the gateway."),
  imageMirror: z
    .string()
    .regex(/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._/-]+)?$/, "must be host, host:port or host/path of a registry")
    .optional()
    .describe(
      "A registry that serves every image under its full name, for sites without the internet. Default: none, images come from where their names say.",
    ),
  images: z
    .strictObject({
      gateway: Image.default("ghcr.io/berriai/litellm:v1.106.0").describe(
        "LiteLLM. Floor: 1.86.2 (GHSA-4xpc-pv4p-pm3w).",
      ),
      edge: Image.default("docker.io/library/haproxy:2.6.12").describe("HAProxy."),
      cache: Image.default("docker.io/library/redis:7.0.15").describe("Redis."),
      ollama: Image.default("docker.io/ollama/ollama:0.17.4").describe("Ollama."),
      vllm: Image.default("docker.io/vllm/vllm-openai:v0.33.0").describe(
        "vLLM; its GPUs need the CUDA it is built for.",
      ),
      llamaCpp: Image.default("ghcr.io/ggml-org/llama.cpp:server-b11434").describe(
        "llama.cpp's server; use a server-cuda- tag on GPU hosts.",
      ),
    })
    .prefault({})
    .describe("Container images, by service."),
  huggingFace: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .default("https://huggingface.co")
    .describe("Where models of `huggingface:` come from, as hosts reach it: Hugging Face or a mirror."),
  gateway: z
    .strictObject({
      workers: z.int().min(1).max(64).default(1).describe("LiteLLM worker processes; one a vCPU. Default 1."),
      memoryMiB: MemoryMiB.default(2048).describe("Memory limit; about 1024 a worker and 1024 more. Default 2048."),
      drainSeconds: z
        .int()
        .min(1)
        .max(3600)
        .default(30)
        .describe("How long a replaced gateway may finish its streams. Default 30."),
    })
    .prefault({})
    .describe("LiteLLM."),
  cache: z
    .strictObject({
      memoryMiB: MemoryMiB.default(256).describe("Memory of Redis; the least used answers go first. Default 256."),
    })
    .prefault({})
    .describe("Redis."),
  dataDir: z
    .string()
    .regex(/^\/[A-Za-z0-9._/-]+[A-Za-z0-9]$/, "must be an absolute path")
    .default("/opt/ai-backend")
    .describe("Folder on every host that holds releases and secrets. Default /opt/ai-backend."),
  configDir: z
    .string()
    .min(1)
    .optional()
    .describe("Folder of providers.yaml and model-mappings.yaml, relative to the project. Default config/<stack>."),
});

export type StackSettings = z.infer<typeof StackSettings>;
export type HostSettings = z.infer<typeof Host>;
export type SshHostSettings = z.infer<typeof SshHost>;
