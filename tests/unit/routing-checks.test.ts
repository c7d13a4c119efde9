import { describe, expect, test } from "@jest/globals";
import { looksLikeSecret } from "../../config/checks/literal-secrets.ts";
import { isError } from "../../config/problems.ts";
import { check, type Files, MAPPINGS, PROVIDERS, problemsOf, STACK, swap } from "../support/project.ts";

const providers = (from: string, to: string): Files => ({ providers: swap(PROVIDERS, from, to) });
const mappings = (from: string, to: string): Files => ({ mappings: swap(MAPPINGS, from, to) });
const stack = (from: string, to: string): Files => ({ stack: swap(STACK, from, to) });

test("the settings of these tests have no mistakes and no warnings", () => {
  expect(problemsOf({})).toEqual([]);
  expect(check().settings?.table.routes.size).toBe(9);
});

/** What is changed → the one line that must be there. */
const TABLE: [string, Files, RegExp][] = [
  [
    "a circle, printed",
    mappings("      provider: claude\n", "      provider: claude\n      fallback_chain: [gpt-4o]\n"),
    /^config\/t\/model-mappings\.yaml:\d+:\d+ {2}routing\.exact_matches\.gpt-4o\.fallback_chain: falls back to itself: gpt-4o → claude-sonnet-4-5 → gpt-4o\. Fix: break the circle\.$/,
  ],
  [
    "a route that is its own fallback",
    mappings("[gpt-4o-mini]", "[tiny]"),
    /exact_matches\.tiny\.fallback_chain: falls back to itself: tiny → tiny/,
  ],
  [
    "a fallback for long requests to itself",
    mappings("    canary:\n", "    canary:\n      context_window_fallbacks: [canary]\n"),
    /canary\.context_window_fallbacks\.0: is the route itself/,
  ],
  [
    "a name that no provider serves",
    mappings("    old: { provider: vectors }", "    olf: { provider: vectors }"),
    /exact_matches\.olf: "vectors" serves no model "olf"\. Fix: write "old"/,
  ],
  [
    "a model that another provider serves",
    mappings("    old: { provider: vectors }", "    claude-x: { provider: vectors, model: claude-sonnet-4-5 }"),
    /claude-x\.model: "vectors" serves no model "claude-sonnet-4-5"\. Fix: route to claude, which serves it/,
  ],
  [
    "a route without a provider that nobody serves",
    mappings("nomic-embed: {}", "nomic-embet: {}"),
    /exact_matches\.nomic-embet: no provider serves a model "nomic-embet"\. Fix: write "nomic-embed"/,
  ],
  [
    "weights and a provider",
    mappings("      weights:", "      provider: llama\n      weights:"),
    /canary\.provider: there are weights, too/,
  ],
  [
    "no weight",
    mappings("{ llama: 95, second: 5 }", "{ llama: 0 }"),
    /canary\.weights: no provider has a weight above 0/,
  ],
  [
    "a weight for nobody",
    mappings("second: 5", "secind: 5"),
    /weights\.secind: no provider is named "secind"\. Fix: write "second"/,
  ],
  [
    "an unknown model of a capability",
    mappings("model: gpt-4o, priority", "model: gpt4o, priority"),
    /capability_routing\.reasoning\.1\.model: no provider serves a model "gpt4o"\. Fix: write "gpt-4o"/,
  ],
  [
    "a capability that a model does not have",
    mappings("    reasoning:\n", "    embedding:\n      - { model: gpt-4o }\n    reasoning:\n"),
    /warning: .*embedding\.0\.model: "gpt-4o" of "cloud" does not say that it can do embedding/,
  ],
  [
    "a model twice in a capability",
    mappings(
      "      - { model: gpt-4o, priority: 2 }\n",
      "      - { model: gpt-4o }\n      - { model: gpt-4o, priority: 2 }\n",
    ),
    /reasoning\.2: "gpt-4o" is there twice/,
  ],
  [
    "a route named as a capability",
    mappings("    old:", "    capability/reasoning: { provider: cloud, model: gpt-4o }\n    old:"),
    /exact_matches\.capability\/reasoning: is a capability, too/,
  ],
  [
    "an alias of nothing",
    mappings("code: tiny", "code: tni"),
    /aliases\.code: no route is named "tni"\. Fix: write "tiny"/,
  ],
  [
    "an alias of an alias",
    mappings("code: tiny", "code: tiny\n    also: code"),
    /aliases\.also: "code" is an alias itself/,
  ],
  ["an alias that is a route", mappings("code: tiny", "old: tiny"), /aliases\.old: there is a route named "old"/],
  [
    "a chain that names an alias",
    mappings("[gpt-4o-mini]", "[code]"),
    /fallback_chain\.0: "code" is an alias\. Fix: write the route it means, "tiny"/,
  ],
  [
    "a fallback that lacks a capability",
    mappings("      provider: claude\n", "      provider: claude\n      fallback_chain: [gpt-4o-mini]\n"),
    /warning: .*claude-sonnet-4-5\.fallback_chain\.0: "gpt-4o-mini" lacks vision, tools, json, reasoning, which "claude-sonnet-4-5" has/,
  ],
  [
    "the same, strict",
    mappings(
      "      provider: claude\n",
      "      provider: claude\n      strict: true\n      fallback_chain: [gpt-4o-mini]\n",
    ),
    /\d {2}routing\.exact_matches\.claude-sonnet-4-5\.fallback_chain\.0: "gpt-4o-mini" lacks/,
  ],
  [
    "a fallback with a smaller context",
    mappings("fallback_chain: [gpt-4o]", "fallback_chain: [tiny, gpt-4o]"),
    /warning: .*gpt-4o-mini\.fallback_chain\.0: "tiny" has a context of 1024 tokens, and "gpt-4o-mini" 128000/,
  ],
  [
    "a fallback for long requests that is no longer",
    mappings("      fallback_chain: [gpt-4o]\n", "      context_window_fallbacks: [tiny]\n"),
    /gpt-4o-mini\.context_window_fallbacks\.0: .*it helps no request that is too long/,
  ],
  [
    "a chain that ends at one provider",
    mappings("[claude-sonnet-4-5]\n      content", "[gpt-4o-mini]\n      content"),
    /warning: .*gpt-4o\.fallback_chain: every fallback ends at the provider "cloud"/,
  ],
  [
    "a chain that ends at one host",
    mappings("    canary:\n", "    one: { provider: llama, model: tiny, fallback_chain: [canary] }\n    canary:\n"),
    /warning: .*exact_matches\.one\.fallback_chain: every fallback ends at the host "gpu1"/,
  ],
  [
    "a disabled provider",
    providers("  claude:\n", "  claude:\n    status: disabled\n"),
    /exact_matches\.claude-sonnet-4-5\.provider: "claude" is disabled/,
  ],
  [
    "a draining provider",
    providers("    type: openai\n", "    type: openai\n    status: draining\n"),
    /warning: .*exact_matches\.gpt-4o\.provider: "cloud" is draining: it gets no new requests/,
  ],
  [
    "a route that only its fallback answers",
    providers("    type: openai\n", "    type: openai\n    status: draining\n"),
    /warning: .*gpt-4o: its providers are draining or disabled, so its fallback "claude-sonnet-4-5" answers/,
  ],
  [
    "a route that nobody answers",
    providers("  claude:\n", "  claude:\n    status: draining\n"),
    /exact_matches\.claude-sonnet-4-5: nobody active answers it/,
  ],
  [
    "budgets that do not add up",
    providers("limit_usd: 60", "limit_usd: 80"),
    /litellm_settings\.max_budget: is less than the providers' budgets together: cloud 80\.00 \+ claude 39\.90/,
  ],
  [
    "a provider without its part of the budget",
    providers("    budget: { limit_usd: 60 }\n", ""),
    /max_budget: the gateway counts by provider, and cloud has no part of it\. Fix: give each a budget/,
  ],
  [
    "two providers of a kind, one with a budget",
    providers(
      "  claude:\n",
      "  other:\n    type: openai\n    api_key: ${OPENAI_API_KEY}\n    models: [{ name: gpt-4o }]\n  claude:\n",
    ),
    /providers\.cloud\.budget: the gateway counts budgets by kind, and "other" is of the same kind/,
  ],
  [
    "a budget for what costs nothing",
    providers("    failover_only: true\n", "    failover_only: true\n    budget: { limit_usd: 1 }\n"),
    /providers\.box\.budget: nothing it serves has a price/,
  ],
  [
    "a daily budget for what costs nothing",
    mappings("    gpt-4o: { max_parallel", "    tiny: { max_budget_per_day: 1 }\n    gpt-4o: { max_parallel"),
    /model_limits\.tiny\.max_budget_per_day: the model has no price/,
  ],
  [
    "a daily budget above all that a provider may cost",
    mappings("max_budget_per_day: 10", "max_budget_per_day: 61"),
    /max_budget_per_day: is more than all that "cloud" may cost, 60 USD/,
  ],
  [
    "an overall budget when nothing costs",
    {
      providers: "providers: { a: { type: vllm, url: http://10.0.0.1:1, models: [{ name: m }] } }",
      mappings: "routing: { exact_matches: { m: {} } }\nlitellm_settings: { max_budget: 1 }",
      stack: swap(swap(STACK, "{ llama: gpu1, second: gpu1 }", "{}"), "[tiny, code]", "[m]"),
    },
    /max_budget: nothing that is routed costs anything/,
  ],
  [
    "limits above the provider's own",
    {
      mappings: swap(MAPPINGS, "max_parallel_requests: 5", "max_parallel_requests: 500"),
      providers: swap(PROVIDERS, "{ rpm: 500, tpm: 150000 }", "{ max_parallel_requests: 50 }"),
    },
    /model_limits\.gpt-4o\.max_parallel_requests: is above the provider's own: cloud 50/,
  ],
  [
    "more at once than the engine answers",
    providers("max_parallel_requests: 2", "max_parallel_requests: 8"),
    /warning: providers\.llama\.rate_limits\.max_parallel_requests: is more than the 2 requests that the engine answers at once/,
  ],
  [
    "a limit for a model nobody routes to",
    mappings("    gpt-4o: { max_parallel", "    gpt-5: { max_parallel_requests: 1 }\n    gpt-4o: { max_parallel"),
    /model_limits\.gpt-5: no route leads to a model "gpt-5"\. Fix: write "gpt-4o"/,
  ],
  [
    "a key in a text",
    providers("name: nomic-embed,", "name: nomic-embed, specialty: sk-abcdefgh0123456789abcdef,"),
    /box\.models\.1\.specialty: looks like a secret\. Fix: run `pulumi config set --secret NAME`/,
  ],
  [
    "cleartext to a cloud",
    providers("url: https://vectors", "url: http://vectors"),
    /providers\.vectors\.url: goes over the open internet in clear\. Fix: write https/,
  ],
  [
    "cleartext without a key",
    providers("url: http://10.0.0.9:11434", "url: http://8.8.8.8:11434"),
    /warning: providers\.box\.url: goes over the open internet in clear/,
  ],
  [
    "a password in a URL",
    providers("http://10.0.0.9", "http://me:pw@10.0.0.9"),
    /box\.url: has a name or password in it/,
  ],
  ["a port out of range", providers("10.0.0.9:11434", "10.0.0.9:99999"), /box\.url: must be an http or https URL/],
  ["the port 0", providers("10.0.0.9:11434", "10.0.0.9:0"), /box\.url: has the port 0/],
  ["a query in a URL", providers("10.0.0.9:11434", "10.0.0.9:11434?a=b"), /box\.url: has a query or a fragment/],
  [
    "the address of a call",
    providers("10.0.0.9:11434", "10.0.0.9:11434/v1/chat/completions"),
    /box\.url: is the address of one call/,
  ],
  [
    "an address twice",
    providers(
      "  claude:\n",
      "  twin: { type: ollama, url: 'http://10.0.0.9:11434', models: [{ name: x }] }\n  claude:\n",
    ),
    /warning: providers\.twin\.url: is the address of "box", too/,
  ],
  [
    "names that are the same to the gateway",
    providers(
      "  claude:\n",
      "  a-b: { type: vllm, url: 'http://10.0.0.1', models: [{ name: x }] }\n  a_b: { type: vllm, url: 'http://10.0.0.2', models: [{ name: x }] }\n  claude:\n",
    ),
    /providers\.a_b: has the same name as "a-b" but for - and _/,
  ],
  [
    "an answer longer than the context",
    providers("max_output_tokens: 16384", "max_output_tokens: 200000"),
    /models\.1\.max_output_tokens: is more than its context_length/,
  ],
  [
    "a capability twice",
    providers("[embedding] }\n  vectors", "[embedding, embedding] }\n  vectors"),
    /capabilities: has a capability twice/,
  ],
  [
    "less time than the first token has",
    providers("total_seconds: 120", "total_seconds: 10"),
    /timeouts\.total_seconds: a whole request has less time/,
  ],
  [
    "two stream timers",
    providers("idle_stream_seconds: 20", "idle_stream_seconds: 30"),
    /warning: .*idle_stream_seconds: the gateway has one timer for both, so 30 s counts/,
  ],
  [
    "two connect limits",
    providers("connect_seconds: 7", "connect_seconds: 3"),
    /warning: .*connect_seconds: the gateway has one limit for all providers: the largest, 7 s/,
  ],
  [
    "GPU memory that is not there",
    stack("memoryMiB: 24576", "memoryMiB: 12288"),
    /placement\.providers\.second: needs 8\.0 GiB on GPU 0 of "gpu1" beside the 8\.0 GiB of others, and that has 12\.0 GiB/,
  ],
  [
    "GPU memory that is not said",
    stack(", gpus: { count: 1, memoryMiB: 24576 }", ""),
    /warning: placement\.providers\.llama: needs 8\.0 GiB of GPU memory, and what "gpu1" has is not said/,
  ],
  [
    "LiteLLM below the floor",
    { stack: `${STACK}  ai-backend:images: { gateway: "ghcr.io/berriai/litellm:v1.86.1" }\n` },
    /images\.gateway: is LiteLLM 1\.86\.1, and versions below 1\.86\.2 have a known hole/,
  ],
  [
    "a model that a client may not ask for",
    stack("[tiny, code]", "[tiny, cod]"),
    /clients\.1\.models\.1: no route is named "cod"\. Fix: write "code"/,
  ],
  [
    "an origin with a path",
    stack("https://chat.example.com", "https://chat.example.com/x"),
    /allowedOrigins\.0: must be an origin/,
  ],
  [
    "a key pattern that cannot be",
    mappings('"v2:{model}:{prompt_hash}"', '"{prompt_hash}"'),
    /cache_key_pattern: .*only a prefix is yours to choose\. Fix: write \{model\}/,
  ],
  [
    "a name of old",
    providers("    failover_only: true", "    timeout_seconds: 5"),
    /timeout_seconds: unknown setting\. Fix: write timeouts: \{ total_seconds/,
  ],
  ["a model's name with spaces", mappings("    old:", "    'old one':"), /as a name, it must be a model's name/],
];

describe("each mistake in routing is reported with its place, its reason and what to do", () => {
  test.each(TABLE)("%s", (_name, files, expected) => {
    const found = problemsOf(files);
    expect(found.filter((line) => expected.test(line))).toHaveLength(1);
    expect(found.join("\n")).not.toContain("abcdefgh0123456789");
  });

  test("warnings stop nothing, errors do", () => {
    const warned = check(mappings("[claude-sonnet-4-5]\n      content", "[gpt-4o-mini]\n      content"));
    expect(warned.problems.filter(isError).map(({ message }) => message)).toEqual(
      expect.arrayContaining([expect.stringContaining("falls back to itself")]),
    );
    const draining = check(providers("  box:\n", "  box:\n    status: draining\n"));
    expect(draining.settings).toBeUndefined(); // nomic-embed has nobody else
    const two = check(providers("  second:\n", "  second:\n    status: draining\n"));
    expect(two.settings?.warnings).toHaveLength(1);
  });

  test("thousands of mistakes are found in a moment", () => {
    const routes = Array.from({ length: 3000 }, (_, i) => `    r${i}: { provider: cloud, model: nothing-like-${i} }`);
    const began = performance.now();
    const found = problemsOf({ mappings: `routing:\n  exact_matches:\n${routes.join("\n")}\n` });
    expect(found.length).toBeGreaterThan(3000);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test("a chain of thousands is refused, not walked for ever", () => {
    const routes = Array.from(
      { length: 3000 },
      (_, i) => `    r${i}: { provider: cloud, model: gpt-4o, fallback_chain: [r${i + 1}] }`,
    );
    const last = "    r3000: { provider: claude, model: claude-sonnet-4-5 }";
    const text = `routing:\n  exact_matches:\n${[...routes, last].join("\n")}\n`;
    expect(problemsOf({ mappings: text }).join("\n")).toMatch(/has more than 20 fallbacks/);
    const circle = text.replace("model: claude-sonnet-4-5 }", "model: claude-sonnet-4-5, fallback_chain: [r0] }");
    expect(problemsOf({ mappings: circle }).join("\n")).toMatch(/falls back to itself: r0 → r1 → .*… → .* → r0/);
  });
});

describe("names that are JavaScript's own mean nothing here", () => {
  test.each(["constructor", "toString", "hasOwnProperty"])("%s", (name) => {
    expect(problemsOf(mappings("[gpt-4o-mini]", `[${name}]`)).join("\n")).toMatch(`no route is named "${name}"`);
    expect(problemsOf(mappings("provider: claude\n", `provider: ${name.toLowerCase()}\n`)).join("\n")).toMatch(
      /no provider is named/,
    );
  });
});

describe("what looks like a secret", () => {
  test.each([
    "sk-proj-abcdefghijklmnop",
    "use hf_abcdefghijklmnopqrst here",
    "ghp_abcdefghijklmnop1234",
    "AKIAIOSFODNN7EXAMPLE",
    "8f3Kd92LmQp7XzVb4NtYc6WsRj1HgUe5",
  ])("%s does", (text) => expect(looksLikeSecret(text)).toBe(true));
  test.each([
    "qwen2.5-coder-32b-instruct-q4_k_m-imatrix-2025-01",
    "/srv/models/llama-3.1-8b-instruct-q4_k_m.gguf",
    `ghcr.io/x/y@sha256:${"0123456789abcdef".repeat(4)}`,
    "hf-internal-testing-tiny-random-llama",
    "https://api.example.com/v1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
  ])("%s does not", (text) => expect(looksLikeSecret(text)).toBe(false));
});
