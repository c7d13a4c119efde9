import { expect, test } from "@jest/globals";
import { checkFolder } from "../../config/load.ts";
import { formatProblem } from "../../config/problems.ts";

/** Settings as people wrote them by hand before there was this program: they load as they stand. */
const PROVIDERS = `# config/providers.yaml
providers:
  openai:
    type: openai
    api_key: \${OPENAI_API_KEY}  # Environment variable
    status: active
    models:
      - name: gpt-4o
        context_length: 128000
        specialty: "reasoning, complex tasks"
      - name: gpt-4o-mini
        context_length: 128000
        specialty: "general purpose, cost-effective"
    rate_limits:
      rpm: 500  # Requests per minute
      tpm: 150000  # Tokens per minute
`;
const MAPPINGS = `# config/model-mappings.yaml
routing:
  exact_matches:
    "gpt-4o":
      provider: openai
      fallback_chain: []  # No local fallback
    "gpt-4o-mini":
      provider: openai
      fallback_chain: []

  capability_routing:
    reasoning:
      - model: gpt-4o
        provider: openai
        priority: 1
`;
const LIMITS = `# Rate limiting configuration
litellm_settings:
  max_budget: 100.00  # USD per month
  budget_duration: "30d"

  # Per-model limits
  model_limits:
    gpt-4o:
      max_parallel_requests: 5
      max_budget_per_day: 10.00
`;
const CACHE = `cache:
  type: redis
  ttl: 3600  # Tune based on use case
  cache_key_pattern: "{model}:{prompt_hash}"  # Optimize key structure
`;
const REGIONS = `# Multi-region provider configuration
providers:
  ollama_local:
    region: us-west-1
    priority: 1
  ollama_cloud:
    region: us-east-1
    priority: 2
    failover_only: true
`;

function check(providers: string, mappings: string) {
  const files: Record<string, string> = { "/p/c/providers.yaml": providers, "/p/c/model-mappings.yaml": mappings };
  return checkFolder("c", "/p", (path) => files[path]);
}

test("providers, routes, limits and cache load as they stand, without a warning", () => {
  const { problems, table, mappings } = check(PROVIDERS, MAPPINGS + LIMITS + CACHE);
  expect(problems).toEqual([]);
  expect([...(table?.routes.keys() ?? [])]).toEqual(["gpt-4o", "gpt-4o-mini", "capability/reasoning"]);
  expect(table?.routes.get("gpt-4o")?.answers[0]?.upstream).toMatchObject({
    maxParallelRequests: 5,
    dailyBudgetUsd: 10,
    budget: { limit_usd: 100, period: "30d" },
  });
  expect(mappings?.cache.ttl).toBe(3600);
});

test("what was only a part of a provider is told what is missing", () => {
  const lines = check(REGIONS, MAPPINGS).problems.map(formatProblem);
  expect(lines).toEqual(
    expect.arrayContaining([
      "c/providers.yaml:3:3  providers.ollama_local.type: is missing. Fix: add it: llama_cpp, ollama, vllm, openai, anthropic, openai_compatible.",
      "c/providers.yaml:3:3  providers.ollama_local.models: is missing. Fix: add it; it must be a list.",
    ]),
  );
});

test("with them, regions load, too", () => {
  const whole = (name: string) =>
    `  ${name}:\n    type: ollama\n    url: http://${name.replace("_", "-")}.lan:11434\n    models: [{ name: "llama3.1:8b" }]\n`;
  const providers = REGIONS.replace("  ollama_local:\n", whole("ollama_local")).replace(
    "  ollama_cloud:\n",
    whole("ollama_cloud"),
  );
  const { problems, table } = check(providers, 'routing: { exact_matches: { "llama3.1:8b": {} } }');
  expect(problems).toEqual([]);
  expect(table?.routes.get("llama3.1:8b")?.answers.map(({ upstream, level }) => [upstream.provider, level])).toEqual([
    ["ollama_local", 1],
    ["ollama_cloud", 2],
  ]);
});
