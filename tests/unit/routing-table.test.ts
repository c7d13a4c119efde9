import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parse } from "yaml";
import { gatewaySettings } from "../../components/gateway/deployments.ts";
import { renderLitellm } from "../../components/gateway/render-litellm.ts";
import type { Settings } from "../../config/settings.ts";
import { expectGolden } from "../support/golden.ts";
import { check, MAPPINGS, PROVIDERS, STACK, swap } from "../support/project.ts";

const settingsOf = (files: Parameters<typeof check>[0] = {}): Settings => {
  const { settings, problems } = check(files);
  if (!settings) throw new Error(JSON.stringify(problems, null, 1));
  return settings;
};

function render(settings: Settings): string {
  const engines = { llama: "http://10.0.0.12:8080/v1", second: "http://10.0.0.12:8081/v1" };
  const { mappings, table, clients } = settings;
  return renderLitellm(gatewaySettings({ mappings, table, clients, engines, cacheHost: "cache" }));
}

const answersOf = (settings: Settings, route: string) =>
  settings.table.routes.get(route)?.answers.map(({ upstream, level, weight }) => [upstream.id, level, weight]);

describe("the routing table", () => {
  const settings = settingsOf();
  test("levels come from priority, failover_only is last, equals share", () => {
    expect(answersOf(settings, "tiny")).toEqual([
      ["tiny@llama", 1, 1],
      ["tiny@second", 2, 1],
      ["tiny@box", 3, 1],
    ]);
    const equal = settingsOf({ providers: swap(PROVIDERS, "    priority: 2\n", "") });
    expect(answersOf(equal, "tiny")?.map(([, level]) => level)).toEqual([1, 1, 2]);
  });
  test("weights are one level, and only those they name", () => {
    expect(answersOf(settings, "canary")).toEqual([
      ["tiny@llama", 1, 95],
      ["tiny@second", 1, 5],
    ]);
  });
  test("a capability by its own priorities", () => {
    expect(answersOf(settings, "capability/reasoning")).toEqual([
      ["claude-sonnet-4-5@claude", 1, 1],
      ["gpt-4o@cloud", 2, 1],
    ]);
  });
  test("chains are flattened depth first, each name once", () => {
    expect(settings.table.routes.get("tiny")?.onError).toEqual(["gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5"]);
    const text = `routing:
  exact_matches:
    a: { provider: cloud, model: gpt-4o, fallback_chain: [b, d] }
    b: { provider: cloud, model: gpt-4o, fallback_chain: [c, d] }
    c: { provider: claude, model: claude-sonnet-4-5 }
    d: { provider: claude, model: claude-sonnet-4-5, fallback_chain: [c] }
`;
    const other = settingsOf({ mappings: text, stack: swap(STACK, "      models: [tiny, code]\n", "") });
    expect(other.table.routes.get("a")?.onError).toEqual(["b", "c", "d"]);
  });
  test("too long for it: those of the chain with a longer context, unless it is said", () => {
    expect(settings.table.routes.get("tiny")?.onContextWindow).toEqual(["gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5"]);
    expect(settings.table.routes.get("gpt-4o-mini")?.onContextWindow).toEqual(["claude-sonnet-4-5"]);
    const said = swap(MAPPINGS, "    canary:\n", "    canary:\n      context_window_fallbacks: [gpt-4o]\n");
    expect(settingsOf({ mappings: said }).table.routes.get("canary")?.onContextWindow).toEqual(["gpt-4o"]);
  });
  test("the default answers to its name; one upstream is one in all routes", () => {
    expect(settings.table.aliases).toEqual(
      new Map([
        ["code", "tiny"],
        ["default", "tiny"],
      ]),
    );
    const [first] = settings.table.routes.get("tiny")?.answers ?? [];
    expect(settings.table.routes.get("canary")?.answers[0]?.upstream).toBe(first?.upstream);
  });
  test("a draining provider is asked nothing; what only it had, the fallback answers", () => {
    const draining = settingsOf({
      providers: swap(PROVIDERS, "    type: openai\n", "    type: openai\n    status: draining\n"),
      mappings: swap(MAPPINGS, "    gpt-4o: { max_parallel_requests: 5, max_budget_per_day: 10 }", "    tiny: {}"),
    });
    expect(answersOf(draining, "gpt-4o")).toEqual([["claude-sonnet-4-5@claude", 1, 1]]);
    expect(draining.table.routes.get("gpt-4o")?.standsIn).toBe("claude-sonnet-4-5");
    expect(render(draining)).not.toContain("@cloud");
  });
  test("the overall budget is that of the only provider that costs", () => {
    const mappings = `routing: { exact_matches: { gpt-4o: {} } }\nlitellm_settings: { max_budget: 9 }\n`;
    const providers = swap(PROVIDERS, "    budget: { limit_usd: 60 }\n", "");
    const one = settingsOf({ mappings, providers, stack: swap(STACK, "[tiny, code]", "[gpt-4o]") });
    expect(parse(render(one)).router_settings.provider_budget_config).toEqual({
      openai: { budget_limit: 9, time_period: "30d" },
    });
  });
});

describe("LiteLLM's configuration", () => {
  const settings = settingsOf();
  test("golden", () => expectGolden("litellm.yaml", render(settings)));

  test("a plain one says nothing of tags, weights, limits, budgets or a prefix", () => {
    const plain = settingsOf({
      stack: swap(swap(STACK, "      models: [tiny, code]\n", ""), "{ llama: gpu1, second: gpu1 }", "{}"),
      providers: "providers: { a: { type: vllm, url: http://10.0.0.1:1, models: [{ name: m }] } }",
      mappings: "routing: { exact_matches: { m: {} } }",
    });
    expect(render({ ...plain, clients: [] })).not.toMatch(/tags|weight|order|rpm|budget|namespace|callbacks/);
  });

  test("prices are written out: LiteLLM reads 1e-7 as a text", () => {
    const cheap = swap(PROVIDERS, "input_usd_per_million: 0.15", "input_usd_per_million: 0.1");
    expect(render(settingsOf({ providers: cheap }))).toContain("input_cost_per_token: 0.0000001\n");
  });

  test("an embedding model of a compatible server has LiteLLM's other name for it", () => {
    const { model_list } = parse(render(settings));
    // biome-ignore lint/suspicious/noExplicitAny: a parsed file
    const model = (route: string) => model_list.find((one: any) => one.model_name === route);
    expect(model("bge").litellm_params.model).toBe("openai_like/BAAI/bge-m3");
    expect(model("bge").model_info.mode).toBe("embedding");
    expect(model("old").litellm_params.model).toBe("custom_openai/org/old:1");
    expect(model("nomic-embed").litellm_params.model).toBe("ollama/nomic-embed");
  });

  /** Settings of any shape: so many providers, models, routes and chains. */
  const anySettings = fc
    .record({
      providers: fc.integer({ min: 1, max: 5 }),
      routes: fc.array(
        fc.record({ model: fc.nat(5), chain: fc.array(fc.nat(20), { maxLength: 4 }), pinned: fc.boolean() }),
        { minLength: 1, maxLength: 12 },
      ),
      priorities: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 5 }),
      failover: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      restricted: fc.boolean(),
    })
    .map(({ providers, routes, priorities, failover, restricted }) => {
      const types = ["vllm", "openai_compatible", "ollama", "openai", "anthropic"];
      const providerData = Object.fromEntries(
        Array.from({ length: providers }, (_, i) => [
          `p${i}`,
          {
            type: types[i],
            url: `https://p${i}.example.com`,
            api_key: "${OPENAI_API_KEY}",
            priority: priorities[i],
            failover_only: failover[i],
            models: Array.from({ length: 6 }, (_, m) => ({ name: `m${m}` })),
          },
        ]),
      );
      // Chains lead forwards only: no circles.
      const matches = Object.fromEntries(
        routes.map(({ model, chain, pinned }, i) => [
          `r${i}`,
          {
            model: `m${model}`,
            ...(pinned && { provider: "p0" }),
            fallback_chain: [...new Set(chain.map((n) => i + 1 + n).filter((n) => n < routes.length))].map(
              (n) => `r${n}`,
            ),
          },
        ]),
      );
      return {
        providers: JSON.stringify({ providers: providerData }),
        mappings: JSON.stringify({ routing: { exact_matches: matches } }),
        stack: STACK.replace("{ llama: gpu1, second: gpu1 }", "{}").replace(
          "      models: [tiny, code]\n",
          restricted ? "      models: [r0]\n" : "",
        ),
      };
    });

  test("every route is reachable, nothing is unreferenced, chains keep their order, keys are references", () => {
    fc.assert(
      fc.property(anySettings, (files) => {
        const any = settingsOf(files);
        const text = render(any);
        expect(render(settingsOf(files))).toBe(text);
        const { model_list, router_settings } = parse(text);
        const groups = new Set(model_list.map((one: { model_name: string }) => one.model_name));
        const chains: Record<string, string[]> = Object.assign({}, ...router_settings.fallbacks);
        expect(groups).toEqual(new Set(any.table.routes.keys()));
        for (const target of [
          ...Object.values(chains).flat(),
          ...Object.values(router_settings.model_group_alias ?? {}),
        ])
          expect(groups.has(target)).toBe(true);
        for (const [name, { fallback_chain: said }] of Object.entries(any.mappings.routing.exact_matches)) {
          const chain = chains[name] ?? [];
          // Those that were said are in it, and first come those that nobody before leads to.
          expect(chain.filter((one) => said.includes(one)).sort()).toEqual([...said].sort());
          if (said.length > 0) expect(chain[0]).toBe(said[0]);
          expect(new Set(chain).size).toBe(chain.length);
        }
        for (const { model_name, litellm_params, model_info } of model_list) {
          expect(litellm_params.api_key).toMatch(/^os\.environ\/PROVIDER_P\d_KEY$/);
          expect(model_info.id).toMatch(/^m\d@p\d$/);
          const group = model_list.filter((one: { model_name: string }) => one.model_name === model_name);
          expect(litellm_params.weight !== undefined).toBe(group.length > 1);
          expect(
            Math.min(...group.map((one: { litellm_params: { order?: number } }) => one.litellm_params.order ?? 1)),
          ).toBe(1);
        }
        expect(text).not.toMatch(/sk-|secret/);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
