import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { CHECKS, demandOf } from "../../operations/contract/checks.ts";
import { ENGINES, type Endpoint } from "../../operations/contract/endpoint.ts";
import { renderReports } from "../../operations/contract/report.ts";
import { checkEndpoint, holds, isBroken } from "../../operations/contract/run.ts";
import { main } from "../../operations/contract.ts";
import { type Mutation, REFERENCE, type ReferenceEngine, referenceEngine } from "../support/reference-engine.ts";

const endpointOf = (url: string, changes: Partial<Endpoint> = {}): Endpoint => ({
  name: "reference",
  engine: "vllm",
  url,
  key: REFERENCE.key,
  model: REFERENCE.model,
  embeddingModel: REFERENCE.embedding,
  contextLength: REFERENCE.context,
  capabilities: ["chat", "completion", "embedding", "tools", "json"],
  timeoutSeconds: 10,
  ...changes,
});

/** Each violation, the check that must name it, and what it must say. */
const MUTATIONS: [Mutation, string, RegExp][] = [
  ["models without data", "models", /data/],
  ["model not listed", "models", /"reference" is not listed/],
  ["chat without id", "chat", /: id:/],
  ["chat with a wrong object", "chat", /: object:/],
  ["chat with a wrong sum", "chat", /not the sum/],
  ["chat without content", "chat", /no content/],
  ["completion without text", "completion", /no text/],
  ["embeddings of one input only", "embeddings", /two inputs give 1/],
  ["embeddings all the same", "embeddings", /same vector/],
  ["embeddings as text", "embeddings", /expected number/],
  ["stream as JSON", "streaming", /content type is "application\/json"/],
  ["stream without [DONE]", "streaming", /last event is not \[DONE\]/],
  ["stream with two ends", "streaming", /2 chunks have a finish_reason/],
  ["stream with many ids", "streaming", /ids/],
  ["stream event without blank line", "streaming", /no JSON|middle of an event|\[DONE\]/],
  ["stream without finish_reason", "streaming", /0 chunks have a finish_reason/],
  ["stream with a broken character", "streaming", /UTF-8/],
  ["stream without usage", "stream-usage", /no usage/],
  ["stream usage with choices", "stream-usage", /has choices/],
  ["stop ignored", "stop", /goes on past/],
  ["stop kept in the text", "stop", /goes on past/],
  ["stop with reason length", "stop", /finish_reason is "length"/],
  ["max_tokens ignored", "max-tokens", /gives 40 tokens/],
  ["max_tokens with reason stop", "max-tokens", /finish_reason is "stop"/],
  ["seed ignored", "seed", /two answers/],
  ["one seed for all", "seed", /every seed gives the same/],
  ["logprobs missing", "logprobs", /there are none/],
  ["logprobs above zero", "logprobs", /logprob/],
  ["top_logprobs short", "logprobs", /gives 1 alternatives/],
  ["n ignored", "n", /gives 1 choices/],
  ["n with equal indexes", "n", /0 and 0/],
  ["tools refused", "tools", /no tools here/],
  ["tool never offered", "tools", /"format_disk" was never offered/],
  ["tool arguments broken", "tools", /no JSON/],
  ["tool result refused", "tools", /unknown role/],
  ["JSON mode ignored", "json", /JSON/],
  ["context smaller than declared", "long-context", /refused: 400/],
  ["long prompt cut in silence", "long-context", /lost in silence/],
  ["unicode refused", "unicode", /answered with 400/],
  ["one request at a time", "concurrent", /busy/],
  ["equal ids", "concurrent", /have 1 ids/],
  ["slots never freed", "cancelled", /slots stay taken/],
  ["any model taken", "unknown-model", /answered with 200/],
  ["bad JSON as 500", "bad-json", /refused with 500/],
  ["bad JSON taken", "bad-json", /answered with 200/],
  ["error as text", "unknown-model", /no JSON/],
  ["error without message", "unknown-model", /error\.message/],
  ["error with a stack trace", "unknown-model", /stack trace/],
  ["missing key taken", "missing-key", /answered with 200/],
  ["missing key as 500", "missing-key", /refused with 500/],
  ["wrong key taken", "wrong-key", /answered with 200/],
  ["wrong key shows the right one", "wrong-key", /shows the right key/],
  ["too long as 500", "too-long", /refused with 500/],
  ["health needs a key", "health", /401 without a key/],
  ["health missing", "health", /404/],
  ["metrics missing", "metrics", /404/],
  ["metric renamed", "metrics", /lacks vllm:num_requests_waiting$/],
  ["metrics need another key", "metrics", /401/],
];

describe("an endpoint that keeps the contract", () => {
  let engine: ReferenceEngine;
  beforeAll(async () => {
    engine = await referenceEngine();
  });
  afterAll(() => engine.close());

  test("keeps every check", async () => {
    const report = await checkEndpoint(endpointOf(engine.url));
    expect(report.results.filter(({ state }) => state !== "passed")).toEqual([]);
    expect(report.results).toHaveLength(CHECKS.length);
  });

  test("checks that have no meaning are skipped with their reason", async () => {
    const { embeddingModel: _, contextLength: __, ...bare } = endpointOf(engine.url, { capabilities: ["chat"] });
    const { results } = await checkEndpoint(bare);
    const skipped = Object.fromEntries(
      results.filter(({ state }) => state === "skipped").map((one) => [one.id, one.detail]),
    );
    expect(skipped).toEqual({
      completion: 'the model is not said to have "completion"',
      embeddings: "no embedding model is named",
      tools: 'the model is not said to have "tools"',
      json: 'the model is not said to have "json"',
      "long-context": "its context_length is not declared",
      "too-long": "its context_length is not declared",
    });
  });

  test("an engine's own exceptions: what llama.cpp and Ollama do not have is not applicable", async () => {
    const skippedOf = async (kind: Endpoint["engine"]) => {
      const { results } = await checkEndpoint(endpointOf(engine.url, { engine: kind }), undefined, [
        "unknown-model",
        "n",
        "metrics",
        "missing-key",
      ]);
      return results.filter(({ state }) => state === "skipped").map(({ id }) => id);
    };
    expect(await skippedOf("ollama")).toEqual(["n", "missing-key", "metrics"]);
    expect(await skippedOf("llama_cpp")).toEqual(["unknown-model"]);
    expect(await skippedOf("openai")).toEqual(["metrics"]);
  });

  test("no key: the checks of keys are not applicable, the others say why they are refused", async () => {
    const { key: _, ...open } = endpointOf(engine.url);
    const report = await checkEndpoint(open, undefined, ["chat", "missing-key", "wrong-key"]);
    expect(report.results.map(({ state }) => state)).toEqual(["failed", "skipped", "skipped"]);
    expect(report.results[0]?.detail).toMatch(/^refused: 401 the API key is wrong/);
  });

  test("a context too large to try, and an answer that is late, are said", async () => {
    const large = await checkEndpoint(endpointOf(engine.url, { contextLength: 1_000_000 }), undefined, [
      "long-context",
    ]);
    expect(large.results[0]).toMatchObject({ state: "skipped", detail: "a prompt of 1000000 tokens is not sent" });
    const hung = createServer((request, response) => {
      if (request.url === "/v1/models") response.end('{"object":"list","data":[{"id":"m","object":"model"}]}');
    });
    await new Promise<void>((ready) => hung.listen(0, "127.0.0.1", ready));
    try {
      const { port } = hung.address() as AddressInfo;
      const late = endpointOf(`http://127.0.0.1:${port}/v1`, { timeoutSeconds: 1, model: "m" });
      const { results } = await checkEndpoint(late, undefined, ["chat", "unicode"]);
      expect(results.map(({ detail }) => detail)).toEqual(["no answer within 1 s", "no answer within 1 s"]);
    } finally {
      hung.closeAllConnections();
      hung.close();
    }
  });

  test("an endpoint that lists nothing, or refuses, needs a model's name", async () => {
    const { model: _, ...nameless } = endpointOf(engine.url, { key: "sk-wrong" });
    expect(await checkEndpoint(nameless)).toMatchObject({
      unreachable: expect.stringMatching(/^\/models answers 401.*--model$/),
    });
    const empty = await referenceEngine("models without data");
    const { model: __, ...first } = endpointOf(empty.url);
    expect(await checkEndpoint(first)).toMatchObject({ unreachable: "/models lists no model; name it with --model" });
    await empty.close();
  });

  test("the first listed model is asked when none is named", async () => {
    const { model: _, ...nameless } = endpointOf(engine.url);
    expect((await checkEndpoint(nameless, undefined, ["chat"])).model).toBe(REFERENCE.model);
  });

  test("the command writes a table and exits with 0", async () => {
    let text = "";
    const seen: string[] = [];
    process.env.CONTRACT_TEST_KEY = REFERENCE.key;
    const args = [
      "--url",
      engine.url,
      "--key-env",
      "CONTRACT_TEST_KEY",
      "--engine",
      "vllm",
      "--only",
      "models,chat,seed",
    ];
    const terminal = { write: (more: string) => (text += more), progress: (line: string) => seen.push(line) };
    expect(await main(args, "/nowhere", terminal)).toBe(0);
    expect(text).toMatch(/^models are listed +ok$/m);
    expect(text).toMatch(/3 kept, 0 broken/);
    expect(seen[0]).toMatch(/: 1 of 3, models are listed$/);
  });
});

describe("deliberate violations", () => {
  test("the table breaks every check but the reported one", () => {
    const named = new Set(MUTATIONS.map(([, id]) => id));
    expect(CHECKS.map(({ id }) => id).filter((id) => !named.has(id))).toEqual(["repeatable"]);
  });

  test.each(MUTATIONS)("%s → %s", async (mutation, id, words) => {
    const engine = await referenceEngine(mutation);
    try {
      const report = await checkEndpoint(endpointOf(engine.url, { timeoutSeconds: 6 }), undefined, [id]);
      const [result] = report.results;
      expect(result).toMatchObject({ id, state: "failed", demand: "required" });
      expect(result?.detail).toMatch(words);
      expect(result?.detail).not.toContain(REFERENCE.key);
      expect(holds(report)).toBe(false);
    } finally {
      await engine.close();
    }
  });
});

describe("reports", () => {
  const result = (id: string, state: "passed" | "failed" | "skipped", demand: "required" | "optional") => ({
    id,
    title: CHECKS.find((check) => check.id === id)?.title ?? "",
    demand,
    state,
    seconds: 0.25,
    ...(state !== "passed" && { detail: `why <${id}> & "so"` }),
  });
  const reports = [
    {
      endpoint: "one",
      engine: "vllm",
      url: "http://a/v1",
      model: "m",
      results: [
        result("models", "passed", "required"),
        result("n", "failed", "optional"),
        result("chat", "failed", "required"),
      ],
    },
    {
      endpoint: "two",
      engine: "ollama",
      url: "http://b/v1",
      model: "",
      unreachable: "connect ECONNREFUSED",
      results: [],
    },
  ];

  test("the table has a column for each endpoint that answers", () => {
    const text = renderReports(reports, "text");
    expect(text).toMatch(/^ +one$/m);
    expect(text).toMatch(/^chat completion +FAILS$/m);
    expect(text).toMatch(/^n +lacks$/m);
    expect(text).toMatch(/FAILS {2}chat completion: why <chat> & "so"/);
    expect(text).toMatch(/1 kept, 1 broken, 1 optional ones lacking, 0 not applicable/);
    expect(text).toMatch(/cannot be checked: connect ECONNREFUSED/);
    expect(text).not.toContain("\u001b");
    expect(renderReports(reports, "text", true)).toContain("\u001b");
  });

  test("JSON says whether all hold", () => {
    const read = JSON.parse(renderReports(reports, "json"));
    expect(read).toMatchObject({
      holds: false,
      endpoints: [{ endpoint: "one" }, { unreachable: "connect ECONNREFUSED" }],
    });
    expect(read.endpoints[0].results.filter(isBroken)).toHaveLength(1);
  });

  test("JUnit is valid, a broken optional part is no failure", () => {
    const text = renderReports(reports, "junit");
    expect(XMLValidator.validate(text)).toBe(true);
    const read = new XMLParser({ ignoreAttributes: false }).parse(text).testsuites;
    expect(read.testsuite[0]).toMatchObject({ "@_name": "one", "@_tests": "3", "@_failures": "1", "@_skipped": "1" });
    expect(read.testsuite[1]).toMatchObject({ "@_name": "two", "@_errors": "1" });
  });
});

describe("the command", () => {
  const run = async (...args: string[]) => {
    let text = "";
    const code = await main(args, process.cwd(), { write: (more) => (text += more) });
    return { code, text };
  };

  test("--list names every check", async () => {
    const { code, text } = await run("--list");
    expect(code).toBe(0);
    expect(text.trim().split("\n")).toHaveLength(CHECKS.length);
  });

  test("nobody there: exit code 1 and the reason", async () => {
    const { code, text } = await run("--url", "http://127.0.0.1:9/v1", "--timeout", "2");
    expect(code).toBe(1);
    expect(text).toMatch(/cannot be checked: (connect ECONNREFUSED|bad port)/);
  });

  test.each([
    [["--url", "nonsense"], /is no http or https URL/],
    [["--url", "http://a", "--provider", "b"], /exclude each other/],
    [["--url", "http://a", "--key-env", "NOT_SET_ANYWHERE"], /NOT_SET_ANYWHERE is not set/],
    [["--only", "nonsense"], /"nonsense" is none of models, chat/],
    [["--timeout", "0"], /a whole number from 1 on/],
    [["--format", "xml"], /text, json, junit/],
    [["--key", "k"], /--key belongs to --url/],
    [["--provider", "nobody"], /"nobody" is none of/],
    [["--stack", "nowhere"], /have mistakes/],
  ])("%j is refused with exit code 2", async (args, words) => {
    const { code, text } = await run(...(args as string[]));
    expect(code).toBe(2);
    expect(text).toMatch(words as RegExp);
  });

  test("every engine owes at least the basics", () => {
    const basics = ["models", "chat", "streaming", "stop", "max-tokens", "unicode", "concurrent", "cancelled"];
    for (const engine of ENGINES) {
      for (const check of CHECKS.filter(({ id }) => basics.includes(id)))
        expect(demandOf(check, engine)).toBe("required");
    }
  });
});
