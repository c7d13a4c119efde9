/** A project of files in a folder of its own, and what checking it says. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { type Checked, checkSettings, NAMESPACE } from "../../config/load.ts";
import { formatProblem } from "../../config/problems.ts";

export const STACK = `config:
  ai-backend:hosts:
    gateway: { kind: ssh, address: 10.0.0.10 }
    gpu1: { kind: ssh, address: 10.0.0.12, bastion: gateway, gpus: { count: 1, memoryMiB: 24576 } }
    here: { kind: local }
  ai-backend:ssh: { privateKeyFile: id, knownHostsFile: known_hosts }
  ai-backend:placement:
    gateway: gateway
    providers: { llama: gpu1, second: gpu1 }
  ai-backend:edge:
    allowedOrigins: [https://chat.example.com]
  ai-backend:clients:
    - name: app
      requestsPerMinute: 60
    - name: batch
      models: [tiny, code]
      priority: low
`;

export const PROVIDERS = `providers:
  llama:
    type: llama_cpp
    region: rack-1
    engine: { model: { path: /srv/tiny.gguf }, context_length: 1024, parallel: 2, gpus: 1, gpu_memory_mib: 8192 }
    rate_limits: { max_parallel_requests: 2 }
    models:
      - { name: tiny, context_length: 1024 }
  second:
    type: llama_cpp
    region: rack-2
    priority: 2
    engine: { model: { path: /srv/tiny.gguf }, context_length: 1024, port: 8081, gpus: 1, gpu_memory_mib: 8192 }
    models:
      - { name: tiny, context_length: 1024 }
  box:
    type: ollama
    url: http://10.0.0.9:11434
    failover_only: true
    timeouts: { connect_seconds: 7, first_token_seconds: 20, idle_stream_seconds: 20, total_seconds: 120 }
    models:
      - { name: tiny, context_length: 2048 }
      - { name: nomic-embed, capabilities: [embedding] }
  vectors:
    type: openai_compatible
    url: https://vectors.example.com
    api_key: \${VECTORS_KEY}
    models:
      - { name: bge, upstream_name: BAAI/bge-m3, capabilities: [embedding] }
      - { name: old, upstream_name: org/old:1 }
  cloud:
    type: openai
    region: cloud
    api_key: \${OPENAI_API_KEY}
    rate_limits: { rpm: 500, tpm: 150000 }
    budget: { limit_usd: 60 }
    models:
      - name: gpt-4o
        context_length: 128000
        capabilities: [chat, completion, vision, tools, json, reasoning]
        prices: { input_usd_per_million: 2.5, output_usd_per_million: 10 }
      - name: gpt-4o-mini
        context_length: 128000
        max_output_tokens: 16384
        prices: { input_usd_per_million: 0.15, output_usd_per_million: 0.6 }
  claude:
    type: anthropic
    region: cloud
    api_key: \${ANTHROPIC_API_KEY}
    budget: { limit_usd: 1.33, period: 1d }
    models:
      - { name: claude-sonnet-4-5, context_length: 200000, capabilities: [chat, completion, vision, tools, json, reasoning] }
`;

export const MAPPINGS = `routing:
  default_model: tiny
  exact_matches:
    tiny:
      fallback_chain: [gpt-4o-mini]
    canary:
      model: tiny
      weights: { llama: 95, second: 5 }
      cache: false
    gpt-4o:
      provider: cloud
      fallback_chain: [claude-sonnet-4-5]
      content_policy_fallbacks: [claude-sonnet-4-5]
    gpt-4o-mini:
      provider: cloud
      fallback_chain: [gpt-4o]
    claude-sonnet-4-5:
      provider: claude
    nomic-embed: {}
    bge: { provider: vectors }
    old: { provider: vectors }
  capability_routing:
    reasoning:
      - { model: claude-sonnet-4-5, provider: claude, priority: 1 }
      - { model: gpt-4o, priority: 2 }
  aliases:
    code: tiny
  retries: 2
  cooldown_seconds: 10
  allowed_fails: 3
cache:
  ttl: 600
  cache_key_pattern: "v2:{model}:{prompt_hash}"
litellm_settings:
  max_budget: 100
  model_limits:
    gpt-4o: { max_parallel_requests: 5, max_budget_per_day: 10 }
`;

export const KNOWN = "10.0.0.10 ssh-ed25519 AAAA\n10.0.0.12 ssh-ed25519 BBBB\n";
const SECRETS = { OPENAI_API_KEY: "secret", ANTHROPIC_API_KEY: "secret", VECTORS_KEY: "secret" } as const;

export interface Files {
  stack?: string;
  providers?: string;
  mappings?: string;
}

/** Checks settings that lie nowhere. */
export function check({ stack = STACK, providers = PROVIDERS, mappings = MAPPINGS }: Files = {}): Checked {
  const files: Record<string, string> = {
    "/p/Pulumi.t.yaml": stack,
    "/p/config/t/providers.yaml": providers,
    "/p/config/t/model-mappings.yaml": mappings,
    "/p/known_hosts": KNOWN,
    "/p/id": "key",
  };
  const config: Record<string, unknown> = parse(stack).config;
  const values = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace(`${NAMESPACE}:`, ""), value]),
  );
  return checkSettings({ stack: "t", projectDir: "/p", values, secrets: SECRETS, readFile: (path) => files[path] });
}

export const problemsOf = (files: Files) => check(files).problems.map(formatProblem);

/** Replaces one part of a text that must be there. */
export function swap(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`"${from}" is not in the text`);
  return text.replace(from, to);
}

/** A folder with a file for each entry; remove it with `done`. */
export function folderOf(files: Record<string, string>): { dir: string; done: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "ai-backend-project-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return { dir, done: () => rmSync(dir, { recursive: true, force: true }) };
}
