import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import OpenAI from "openai";
import { parse } from "yaml";
import { inHost } from "../../lab/hosts.ts";
import { simulatedAnthropic } from "../../lab/simulated-anthropic.ts";
import { simulatedOpenAi } from "../../lab/simulated-openai.ts";
import type { SimulatedUpstream } from "../../lab/simulated-upstream.ts";
import { pulumi } from "../../lab/stack.ts";
import { Backend } from "../support/backend.ts";
import { needsLab } from "../support/needs-lab.ts";
import { TEST_LAB } from "../support/test-lab.ts";

const HERE = `${TEST_LAB.net}.1`;
const KEY = "simulated-key";
const PORTS = { one: 9301, two: 9302, spare: 9303, cloud: 9304, claude: 9305 };
/** Long enough to see a deployment left alone, short enough to see it come back. */
const COOLDOWN_SECONDS = 4;
const CACHE_SECONDS = 4;
const ORIGIN = "https://chat.example.com";

/** Models by what is done to them; each has deployments, limits and cooldowns of its own. */
const FAILING = ["f-429", "f-500", "f-timeout", "f-first-token", "f-context", "f-policy", "f-garbage", "cut", "cool"];
const SHARED = [
  "plain",
  "never-kept",
  "geo",
  "weighted",
  "mix",
  "moving",
  "think-a",
  "think-b",
  "rescue",
  "rescue-2",
  ...FAILING,
];

interface Answer {
  status: number;
  /** Which deployment answered. */
  id: string | null;
  fallbacks: string | null;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever an upstream says
  body: any;
  seconds: number;
}

const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));
const tally = (values: (string | number | null)[]) => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1;
  return counts;
};

needsLab("routing, with the real gateway, Redis and programmable upstreams", () => {
  const backend = new Backend(TEST_LAB, "test-routing");
  const models = [...SHARED, "limited", "tokens", "narrow", "costly", "vectors"];
  const up: Record<keyof typeof PORTS, SimulatedUpstream> = {
    one: simulatedOpenAi(KEY, models),
    two: simulatedOpenAi(KEY, models),
    spare: simulatedOpenAi(KEY, models),
    cloud: simulatedOpenAi(KEY, [...models, "gpt-4o"]),
    claude: simulatedAnthropic(KEY),
  };
  let url: string;
  let keys: Record<string, string>;
  let count = 0;

  async function ask(model: string, more: object = {}, client = "tester", path = "/chat/completions"): Promise<Answer> {
    const began = performance.now();
    const messages = [{ role: "user", content: `question ${++count}` }];
    const response = await fetch(url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${keys[client]}`, "content-type": "application/json" },
      body: JSON.stringify({ model, ...(path === "/chat/completions" && { messages, max_tokens: 8 }), ...more }),
    });
    const text = await response.text();
    let body: unknown = text;
    try {
      body = JSON.parse(text);
    } catch {}
    const { status, headers } = response;
    const seconds = (performance.now() - began) / 1000;
    const [id, fallbacks] = [headers.get("x-litellm-model-id"), headers.get("x-litellm-attempted-fallbacks")];
    return { status, id, fallbacks, headers, body, seconds };
  }
  /** So many requests, a few at a time. */
  async function many(times: number, one: () => Promise<Answer>, atOnce = 4): Promise<Answer[]> {
    const answers: Answer[] = [];
    let left = times;
    const worker = async () => {
      while (left-- > 0) answers.push(await one());
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return answers;
  }
  const recovered = () => pause(COOLDOWN_SECONDS * 1000 + 500);
  const inGateway = async (script: string, input = "") => {
    const find = "docker ps -q --filter label=ai-backend.service=gateway";
    return inHost(TEST_LAB, "gateway", `docker exec -i $(${find}) sh -c '. /run/secrets/env; ${script}'`, input);
  };

  beforeAll(async () => {
    for (const [name, port] of Object.entries(PORTS))
      await new Promise<void>((resolve) => up[name as keyof typeof PORTS].server.listen(port, HERE, resolve));
    const address = (name: keyof typeof PORTS) => `http://${HERE}:${PORTS[name]}`;
    const some = (names: string[], more: object = {}) => names.map((name) => ({ name, ...more }));
    const common = { type: "openai_compatible", api_key: "${OPENAI_API_KEY}" };
    const timeouts = { connect_seconds: 3, first_token_seconds: 2, total_seconds: 3 };
    const priced = { prices: { input_usd_per_million: 10_000, output_usd_per_million: 10_000 } };
    const mine = { ...common, url: address("one"), timeouts };
    backend.providers = {
      one: {
        ...mine,
        region: "near",
        models: [...some(SHARED), { name: "vectors", capabilities: ["embedding"] }],
      },
      two: {
        ...common,
        url: address("two"),
        region: "far",
        priority: 2,
        timeouts: { connect_seconds: 3 },
        models: [...some(["geo", "weighted", "mix", "moving", "think-b", "rescue"]), ...some(["costly"], priced)],
      },
      spare: {
        ...common,
        url: address("spare"),
        failover_only: true,
        timeouts: { connect_seconds: 3 },
        models: some(["geo", "mix", "rescue-2"]),
      },
      limited: { ...mine, rate_limits: { rpm: 5 }, models: some(["limited"]) },
      tokens: { ...mine, rate_limits: { tpm: 30 }, models: some(["tokens"]) },
      narrow: { ...mine, rate_limits: { max_parallel_requests: 2 }, models: some(["narrow"]) },
      closed: { ...mine, url: `http://${HERE}:9399`, models: some(["f-refused"]) },
      silent: {
        ...mine,
        url: `http://${TEST_LAB.net}.250:9301`,
        timeouts: { ...timeouts, total_seconds: 60 },
        models: some(["f-connect"]),
      },
      cloud: {
        type: "openai",
        url: address("cloud"),
        api_key: "${OPENAI_API_KEY}",
        budget: { limit_usd: 0.25, period: "1d" },
        timeouts: { connect_seconds: 3 },
        models: [{ name: "costly", ...priced }],
      },
      claude: {
        type: "anthropic",
        url: address("claude"),
        api_key: "${OPENAI_API_KEY}",
        timeouts: { connect_seconds: 3 },
        models: [{ name: "sonnet", upstream_name: "claude-sonnet-4-5", capabilities: ["chat", "completion", "tools"] }],
      },
    };
    const rescued = (name: string) => [
      name,
      {
        provider: name
          .replace("f-refused", "closed")
          .replace("f-connect", "silent")
          .replace(/^(f-.*|cut|cool)$/, "one"),
        fallback_chain: ["rescue"],
      },
    ];
    backend.mappings = {
      exact_matches: {
        plain: { provider: "one" },
        "never-kept": { provider: "one", cache: false },
        geo: {},
        weighted: { weights: { one: 80, two: 20 } },
        mix: { fallback_chain: ["rescue-2"] },
        moving: { provider: "one", fallback_chain: ["rescue"] },
        rescue: { provider: "two" },
        "rescue-2": { provider: "spare" },
        limited: {},
        tokens: {},
        narrow: {},
        costly: {},
        vectors: {},
        claude: { provider: "claude", model: "sonnet" },
        ...Object.fromEntries([...FAILING, "f-refused", "f-connect"].map(rescued)),
        "f-context": { provider: "one", context_window_fallbacks: ["rescue"] },
        "f-policy": { provider: "one", content_policy_fallbacks: ["rescue"] },
      },
      capability_routing: {
        reasoning: [
          { model: "think-b", provider: "two", priority: 2 },
          { model: "think-a", provider: "one", priority: 1 },
        ],
      },
      aliases: { nickname: "f-500" },
      default_model: "plain",
      retries: 0,
      cooldown_seconds: COOLDOWN_SECONDS,
    };
    backend.besides = {
      cache: { ttl: CACHE_SECONDS, cache_key_pattern: "first:{model}:{prompt_hash}" },
      litellm_settings: { model_limits: { costly: { max_budget_per_day: 0.25 } }, callbacks: ["prometheus"] },
    };
    backend.settings.placement.providers = {};
    backend.settings.edge.allowedOrigins = [ORIGIN];
    backend.settings.clients = [
      { name: "tester" },
      { name: "narrowed", models: ["plain", "f-500"] },
      { name: "slow", requestsPerMinute: 5 },
      { name: "first", priority: "critical" },
    ];
    backend.upstreamKey = KEY;
    await backend.make();
    await backend.up();
    const outputs = await backend.outputs();
    url = outputs.url;
    keys = outputs.clientKeys;
  }, 300_000);
  afterAll(async () => {
    await Promise.all(Object.values(up).map((one) => one.close()));
    expect((await backend.run("destroy")).exitCode).toBe(0);
  }, 120_000);
  beforeEach(() => {
    for (const one of Object.values(up)) one.program({});
  });

  describe("what is rendered is what the real LiteLLM has", () => {
    test("it knows every key we use, and says which it does not", async () => {
      const script = await readFile(join(import.meta.dirname, "litellm_keys.py"), "utf8");
      expect(JSON.parse(await inGateway("python3 - /config/config.yaml", script))).toEqual({});
      const renamed =
        "sed -e s/stream_timeout/streaming_timeout/ -e s/cooldown_time/cooldown_seconds/ -e s/budget_limit/limit/";
      const found = await inGateway(
        `${renamed} /config/config.yaml > /tmp/renamed.yaml; python3 - /tmp/renamed.yaml`,
        script,
      );
      expect(JSON.parse(found)).toEqual({
        litellm_params: ["streaming_timeout"],
        router_settings: ["cooldown_seconds"],
        provider_budget_config: ["limit", "time_period"],
      });
    });

    test("/v1/model/info lists the deployments as they were rendered, in their order", async () => {
      const code = `import os,urllib.request as u; r=u.Request("http://127.0.0.1:4000/v1/model/info",headers={"authorization":"Bearer "+os.environ["LITELLM_MASTER_KEY"]}); print(u.urlopen(r).read().decode())`;
      const { data } = JSON.parse(await inGateway("set -a; . /run/secrets/env; python3 -", code));
      const { model_list } = parse(await inGateway("cat /config/config.yaml"));
      const shown = data.slice(0, model_list.length);
      // biome-ignore lint/suspicious/noExplicitAny: LiteLLM's answer
      expect(data.slice(model_list.length).map((one: any) => one.model_name)).toEqual(["nickname", "default"]);
      // biome-ignore lint/suspicious/noExplicitAny: LiteLLM's answer
      const seen = shown.map((one: any, i: number) => {
        const wanted = model_list[i];
        const same = (all: Record<string, unknown>, keys: object) =>
          Object.fromEntries(Object.keys(keys).map((key) => [key, all[key]]));
        const { api_key: _, ...params } = wanted?.litellm_params ?? {}; // it shows no keys
        return {
          model_name: one.model_name,
          litellm_params: same(one.litellm_params, params),
          model_info: same(one.model_info, wanted?.model_info ?? {}),
        };
      });
      expect(seen).toEqual(
        // biome-ignore lint/suspicious/noExplicitAny: a parsed file
        model_list.map(({ litellm_params: { api_key: _, ...params }, ...rest }: any) => ({
          ...rest,
          litellm_params: params,
        })),
      );
    });
  });

  describe("who answers", () => {
    test("an exact match, the default, a capability by priority", async () => {
      expect((await ask("plain")).id).toBe("plain@one");
      expect((await ask("default")).id).toBe("plain@one");
      expect((await ask("capability/reasoning")).id).toBe("think-a@one");
      up.one.program({ status: 500, model: "think-a" });
      expect((await ask("capability/reasoning")).id).toBe("think-b@two");
      expect((await ask("no-such-model")).status).toBe(400);
    });

    test("weights, within 5 points over 1,000 requests", async () => {
      const counts = tally((await many(1000, () => ask("weighted"), 8)).map(({ id }) => id));
      const share = (100 * (counts["weighted@one"] ?? 0)) / 1000;
      console.log(`weights 80:20 over 1,000 requests: ${share.toFixed(1)} % and ${(100 - share).toFixed(1)} %`);
      expect(Object.keys(counts).sort()).toEqual(["weighted@one", "weighted@two"]);
      expect(Math.abs(share - 80)).toBeLessThan(5);
    }, 120_000);

    test("by region: the near one, then the far one, and failover_only when both are down; then back", async () => {
      const ids = async () => tally((await many(6, () => ask("geo"), 1)).map(({ id }) => id));
      expect(await ids()).toEqual({ "geo@one": 6 });
      up.one.program({ status: 503, model: "geo" });
      expect(await ids()).toEqual({ "geo@two": 6 });
      up.two.program({ status: 503, model: "geo" });
      expect(await ids()).toEqual({ "geo@spare": 6 });
      for (const one of [up.one, up.two]) one.program({});
      await recovered();
      expect(await ids()).toEqual({ "geo@one": 6 });
    }, 60_000);
  });

  describe("when one fails, the next answers", () => {
    const context = "This model's maximum context length is 10 tokens. However, your messages resulted in 20 tokens.";
    const policy = "Your request was rejected as a result of our safety system.";
    test.each([
      ["f-429", { status: 429, message: "Rate limit reached" }, 1],
      ["f-500", { status: 500 }, 1],
      ["f-timeout", { hang: true }, 5],
      ["f-context", { status: 400, code: "context_length_exceeded", message: context }, 1],
      ["f-policy", { status: 400, code: "content_policy_violation", message: policy }, 1],
      ["f-garbage", { garbage: true }, 1],
    ])("%s", async (model, behaviour, seconds) => {
      expect((await ask(model)).id).toBe(`${model}@one`);
      up.one.program({ ...behaviour, model });
      const answer = await ask(model);
      expect([answer.status, answer.id, answer.fallbacks]).toEqual([200, "rescue@two", "1"]);
      expect(answer.seconds).toBeLessThan(seconds);
    });

    test("by its alias, too", async () => {
      await recovered();
      up.one.program({ status: 500, model: "f-500" });
      expect((await ask("nickname")).id).toBe("rescue@two");
    });

    test("a connection that is refused, and one that is never made", async () => {
      expect((await ask("f-refused")).id).toBe("rescue@two");
      const silent = await ask("f-connect");
      expect(silent.id).toBe("rescue@two");
      expect(silent.seconds).toBeLessThan(5);
    });

    test("a stream whose first token does not come", async () => {
      up.one.program({ delayMs: 10_000, model: "f-first-token" });
      const answer = await ask("f-first-token", { stream: true });
      expect([answer.status, answer.id]).toEqual([200, "rescue@two"]);
      expect(answer.body).toMatch(/data: \[DONE\]\s*$/);
      expect(answer.seconds).toBeLessThan(5);
    });

    test.each([
      ["breaks", { cutAfterChunks: 3 }],
      ["stalls", { stallAfterChunks: 3 }],
    ])(
      "a stream that %s in the middle ends with an error that clients see, never as if it were whole",
      async (_, behaviour) => {
        await recovered();
        up.one.program({ ...behaviour, model: "cut" });
        const client = new OpenAI({ baseURL: url, apiKey: keys.tester as string, maxRetries: 0, timeout: 30_000 });
        const messages = [{ role: "user" as const, content: `stream ${++count}` }];
        const stream = await client.chat.completions.create({ model: "cut", messages, stream: true });
        let text = "";
        let finished: string | null = null;
        const read = async () => {
          for await (const chunk of stream) {
            text += chunk.choices[0]?.delta.content ?? "";
            finished = chunk.choices[0]?.finish_reason ?? finished;
          }
        };
        await expect(read()).rejects.toThrow(/APIConnectionError/);
        expect(text).toMatch(/^simulated/);
        expect(finished).toBeNull();
      },
      30_000,
    );

    test("cooldown: after failures it is left alone, and asked again later", async () => {
      up.one.program({ status: 500, model: "cool" });
      await many(4, () => ask("cool"), 1);
      up.one.program({});
      const before = up.one.asked();
      expect(tally((await many(3, () => ask("cool"), 1)).map(({ id }) => id))).toEqual({ "rescue@two": 3 });
      expect(up.one.asked()).toBe(before);
      await recovered();
      expect((await ask("cool")).id).toBe("cool@one");
    }, 30_000);
  });

  describe("limits and budgets", () => {
    const clear = ({ status, body }: Answer) => ({ status, message: body.error?.message ?? "" });
    test("requests a minute", async () => {
      const statuses = tally((await many(9, () => ask("limited"), 1)).map(({ status }) => status));
      // The minute of the clock may turn while they are asked.
      expect(statuses["200"]).toBeGreaterThanOrEqual(5);
      expect(statuses["429"]).toBeGreaterThanOrEqual(1);
      expect(Object.keys(statuses)).toEqual(["200", "429"]);
    });
    test("tokens a minute", async () => {
      const answers = await many(8, () => ask("tokens"), 1);
      expect(answers[0]?.status).toBe(200);
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused.length).toBeGreaterThan(2);
      expect(clear(refused[0] as Answer).message).toMatch(/TPM limit=30|cooldown/);
    });
    test("requests at once", async () => {
      up.one.program({ delayMs: 1000, model: "narrow" });
      const answers = await many(6, () => ask("narrow"), 6);
      expect(tally(answers.map(({ status }) => status))).toEqual({ 200: 2, 429: 4 });
      expect(clear(answers.find(({ status }) => status === 429) as Answer).message).toMatch(/max_parallel_requests/);
    });
    test("budgets: the provider's is spent, the next answers; the model's is spent, a clear 429", async () => {
      const ids: (string | null)[] = [];
      let last: Answer | undefined;
      for (let i = 0; i < 14; i++) {
        last = await ask("costly");
        ids.push(last.status === 200 ? last.id : String(last.status));
        await pause(400); // what was spent is counted after the answer
      }
      console.log(`budgets of 0.25 USD, about 0.09 a request: ${ids.join(" ")}`);
      expect([...new Set(ids)]).toEqual(["costly@cloud", "costly@two", "429"]);
      expect(clear(last as Answer).message).toMatch(/budget/i);
    }, 60_000);
  });

  describe("clients", () => {
    test("one with a list of models sees and gets those only, also by fallback", async () => {
      const list = await fetch(`${url}/models`, { headers: { authorization: `Bearer ${keys.narrowed}` } });
      expect(((await list.json()) as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual(["plain", "f-500"]);
      expect((await ask("plain", {}, "narrowed")).status).toBe(200);
      const barred = await ask("geo", {}, "narrowed");
      expect([barred.status, barred.body.error.code]).toEqual([403, "model_not_allowed"]);
      await recovered();
      up.one.program({ status: 500, model: "f-500" });
      expect((await ask("f-500", {}, "tester")).id).toBe("rescue@two");
      expect((await ask("f-500", {}, "narrowed")).status).not.toBe(200);
    }, 30_000);
    test("one with a limit a minute is told to wait; others are not", async () => {
      const answers = await many(8, () => ask("plain", {}, "slow"), 1);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);
      expect(answers[7]?.headers.get("retry-after")).toBe("10");
      expect(answers[7]?.body.error.code).toBe("rate_limit_exceeded");
      expect((await ask("plain")).status).toBe(200);
    });
    test("a provider that refuses the gateway's key is no fault of a client's key", async () => {
      up.one.program({
        status: 401,
        message: "Incorrect API key provided.",
        code: "invalid_api_key",
        model: "never-kept",
      });
      const answer = await ask("never-kept");
      expect([answer.status, answer.body.error.code]).toEqual([502, "provider_refuses_key"]);
    });
    test("scripts of an allowed page may call, others not", async () => {
      const preflight = (origin: string) =>
        fetch(`${url}/chat/completions`, {
          method: "OPTIONS",
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
          },
        });
      const good = await preflight(ORIGIN);
      expect([good.status, good.headers.get("access-control-allow-origin")]).toEqual([204, ORIGIN]);
      expect(good.headers.get("access-control-allow-headers")).toBe("authorization, content-type");
      const bad = await preflight("https://evil.example.com");
      expect([bad.status, bad.headers.get("access-control-allow-origin")]).toEqual([403, null]);
      const call = (origin: string) =>
        fetch(`${url}/models`, { headers: { origin, authorization: `Bearer ${keys.tester}` } });
      expect((await call(ORIGIN)).headers.get("access-control-allow-origin")).toBe(ORIGIN);
      expect((await call("https://evil.example.com")).headers.get("access-control-allow-origin")).toBeNull();
      const unknown = await fetch(`${url}/models`, { headers: { origin: ORIGIN } });
      expect([unknown.status, unknown.headers.get("access-control-allow-origin")]).toEqual([401, ORIGIN]);
    });
  });

  describe("the cache", () => {
    const same = (text: string) => ({ messages: [{ role: "user", content: text }] });
    test("miss, hit, expiry; off by request; never for a model that says so", async () => {
      const before = up.one.asked();
      const asked = () => up.one.asked() - before;
      const first = await ask("plain", same("kept"));
      await pause(300); // it is stored after it was given
      const second = await ask("plain", same("kept"));
      expect([asked(), second.body.id]).toEqual([1, first.body.id]);
      expect(second.headers.get("x-litellm-cache-key")).toBeTruthy();
      const keys = await inHost(
        TEST_LAB,
        "gateway",
        `docker exec ai-backend-cache sh -c '. /run/secrets/env; REDISCLI_AUTH=$REDIS_PASSWORD redis-cli --scan --pattern "first:*" | grep -c "^first:[0-9a-f]*$"'`,
      );
      expect(Number(keys)).toBeGreaterThan(0);
      await ask("plain", { ...same("kept"), cache: { "no-cache": true } });
      expect(asked()).toBe(2);
      await pause(CACHE_SECONDS * 1000 + 500);
      await ask("plain", same("kept"));
      expect(asked()).toBe(3);
      await recovered();
      for (let i = 0; i < 3; i++) await ask("never-kept", same("not kept"));
      expect(asked()).toBe(6);
    }, 30_000);
    test("repeated questions: the hit rate", async () => {
      const before = up.one.asked();
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 3; i++) await ask("plain", same(`often ${i}`));
        if (round === 0) await pause(300);
      }
      const rate = 100 - (100 * (up.one.asked() - before)) / 30;
      console.log(`hit rate of 3 questions asked 10 times each: ${rate.toFixed(0)} %`);
      expect(rate).toBeGreaterThan(70);
    });
    test("Redis down: served without a cache", async () => {
      await inHost(TEST_LAB, "gateway", "docker stop -t 1 ai-backend-cache");
      try {
        const answers = await many(10, () => ask("plain", same("no cache")), 2);
        expect(tally(answers.map(({ status }) => status))).toEqual({ 200: 10 });
        expect(Math.max(...answers.map(({ seconds }) => seconds))).toBeLessThan(5);
      } finally {
        await inHost(TEST_LAB, "gateway", "docker start ai-backend-cache");
      }
      expect((await ask("plain")).status).toBe(200);
    }, 60_000);
  });

  describe("what goes over the wire", () => {
    const last = (one: SimulatedUpstream) => one.requests().at(-1);
    test("OpenAI's: key, path, body", async () => {
      await ask("plain", { temperature: 0.5 });
      expect(last(up.one)).toMatchObject({
        path: "/v1/chat/completions",
        headers: { authorization: `Bearer ${KEY}` },
        body: { model: "plain", temperature: 0.5, max_tokens: 8 },
      });
      expect(JSON.stringify(last(up.one))).not.toContain(keys.tester);
    });
    test("Anthropic's: key, version, path, body, events, errors", async () => {
      const answer = await ask("claude");
      expect([answer.status, answer.id]).toEqual([200, "sonnet@claude"]);
      expect(answer.body.choices[0].message.content).toMatch(/^simulated/);
      expect(last(up.claude)).toMatchObject({
        path: "/v1/messages",
        headers: { "x-api-key": KEY, "anthropic-version": expect.stringMatching(/^\d{4}-/) },
        body: { model: "claude-sonnet-4-5", max_tokens: 8, messages: [{ role: "user" }] },
      });
      const stream = await ask("claude", { stream: true });
      expect(stream.body).toMatch(/"content":"simulated"/);
      expect(stream.body).toMatch(/"finish_reason":"stop"[\s\S]*data: \[DONE\]/);
      up.claude.program({ status: 529 });
      const busy = await ask("claude");
      expect(busy.status).toBeGreaterThanOrEqual(500);
      expect(busy.body.error.message).toMatch(/simulated failure 529|Overloaded/i);
    });
    test("tools, JSON mode, legacy completions and embeddings", async () => {
      const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }];
      const called = await ask("plain", { tools, tool_choice: "auto" });
      expect(called.body.choices[0].message.tool_calls[0].function.name).toBe("look");
      expect(last(up.one)?.body.tools).toEqual(tools);
      const json = await ask("plain", { response_format: { type: "json_object" } });
      expect(JSON.parse(json.body.choices[0].message.content)).toEqual({ simulated: true });
      expect((await ask("plain", { prompt: "hello" }, "tester", "/completions")).body.choices[0].text).toMatch(
        /^simulated/,
      );
      const vectors = await ask("vectors", { input: ["a", "b"] }, "tester", "/embeddings");
      expect(vectors.body.data).toHaveLength(2);
      expect(last(up.one)).toMatchObject({ path: "/v1/embeddings", body: { model: "vectors", input: ["a", "b"] } });
    });
    test("the gateway counts what it does", async () => {
      const code = `import os,urllib.request as u; r=u.Request("http://127.0.0.1:4000/metrics/",headers={"authorization":"Bearer "+os.environ["LITELLM_MASTER_KEY"]}); print(u.urlopen(r).read().decode())`;
      expect(await inGateway("set -a; . /run/secrets/env; python3 -", code)).toMatch(
        /litellm_requests_metric_total\{.*plain/,
      );
    });
  });

  test("1,000 requests while every upstream fails 20 % of the time: over 95 % succeed", async () => {
    for (const one of [up.one, up.two, up.spare]) one.program({ status: 500, share: 0.2 });
    const kinds = ["mix", "mix", "geo", "moving", "capability/reasoning"];
    const answers = await many(
      1000,
      () => ask(kinds[count % kinds.length] as string, count % 4 === 0 ? { stream: true } : {}),
      8,
    );
    const statuses = tally(answers.map(({ status }) => status));
    const whole = answers.filter(
      ({ status, body }) => status === 200 && (typeof body !== "string" || /\[DONE\]/.test(body)),
    );
    const reasons = tally(
      answers
        .filter((one) => !whole.includes(one))
        .map(({ body }) => String(body.error?.message ?? body).slice(0, 120)),
    );
    console.log(
      `1,000 mixed requests, upstreams failing 20 %: ${(whole.length / 10).toFixed(1)} % succeeded (${JSON.stringify(statuses)})`,
      reasons,
    );
    expect(whole.length).toBeGreaterThan(950);
  }, 180_000);

  test("a provider is drained: the preview names the routes, it gets no new request, none fails; a new prefix forgets the cache", async () => {
    await recovered();
    expect((await ask("moving")).id).toBe("moving@one");
    const text = { messages: [{ role: "user", content: "before the drain" }] };
    const kept = await ask("rescue", text);
    await pause(300);
    expect((await ask("rescue", text)).body.id).toBe(kept.body.id);
    backend.providers.drained = {
      ...backend.providers.one,
      status: "draining",
      url: `http://${HERE}:${PORTS.one}/`,
      models: [{ name: "moving" }],
    };
    backend.mappings.exact_matches.moving.provider = "drained";
    backend.besides.cache = { ttl: 60, cache_key_pattern: "second:{model}:{prompt_hash}" };
    await backend.write();
    const preview = await pulumi(backend.stack, ["preview", "--stack", backend.stack.name, "--color", "never"]);
    expect(preview.all).toMatch(
      /warning: .*moving.*: its providers are draining or disabled, so its fallback "rescue" answers/,
    );
    expect(preview.all).toMatch(/~ moving[\s\S]*"1\. moving@one[\s\S]*"1\. rescue@two/);
    let running = true;
    const statuses: number[] = [];
    const traffic = (async () => {
      while (running) statuses.push((await ask("moving")).status);
    })();
    await backend.up();
    const before = up.one.requests().filter(({ body }) => body?.model === "moving").length;
    expect((await ask("moving")).id).toBe("rescue@two");
    running = false;
    await traffic;
    expect(tally(statuses)).toEqual({ 200: statuses.length });
    expect(up.one.requests().filter(({ body }) => body?.model === "moving").length).toBe(before);
    expect((await ask("rescue", text)).body.id).not.toBe(kept.body.id);
  }, 180_000);
});
