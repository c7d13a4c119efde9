import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { compareRoutes } from "../../operations/compare-routes.ts";
import { main as reference, references } from "../../operations/reference.ts";
import type { JsonSchema } from "../../operations/render-reference.ts";
import { main as routes, routesOf } from "../../operations/routes.ts";
import { main as validate } from "../../operations/validate.ts";
import { folderOf, KNOWN, MAPPINGS, PROVIDERS, STACK, swap } from "../support/project.ts";

const ROOT = join(import.meta.dirname, "../..");
const secrets = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "VECTORS_KEY"]
  .map((name) => `  ai-backend:${name}:\n    secure: v1:x\n`)
  .join("");
const FILES = {
  "Pulumi.t.yaml": STACK + secrets,
  "config/t/providers.yaml": PROVIDERS,
  "config/t/model-mappings.yaml": MAPPINGS,
  known_hosts: KNOWN,
  id: "key",
};

type Main = (args: string[], dir: string, write: (text: string) => void, colour?: boolean) => number;
const runner = (main: Main, dir: string) => (line: string, colour?: boolean) => {
  let text = "";
  const code = main(
    line.split(" ").filter(Boolean),
    dir,
    (more) => {
      text += more;
    },
    colour,
  );
  return { code, text };
};

describe("npm run validate", () => {
  let good: ReturnType<typeof folderOf>;
  let bad: ReturnType<typeof folderOf>;
  beforeAll(() => {
    good = folderOf(FILES);
    const draining = swap(PROVIDERS, "  second:\n", "  second:\n    status: draining\n");
    bad = folderOf({
      ...FILES,
      "config/t/providers.yaml": draining,
      "config/t/model-mappings.yaml": swap(MAPPINGS, "[gpt-4o-mini]", "[gpt-5o-mini]"),
    });
  });
  afterAll(() => {
    good.done();
    bad.done();
  });

  test("good settings: 0, and one line", () => {
    expect(runner(validate, good.dir)("")).toEqual({ code: 0, text: "t: 0 errors, 0 warnings\n" });
    expect(runner(validate, good.dir)("--stack t --format github")).toEqual({ code: 0, text: "" });
    expect(runner(validate, good.dir)("--dir config/t").text).toBe("config/t: 0 errors, 0 warnings\n");
  });
  test("what is wrong: 1; warnings only with --strict", () => {
    const { code, text } = runner(validate, bad.dir)("--stack t");
    expect(code).toBe(1);
    expect(text).toMatch(/warning: .*canary\.weights\.second: "second" is draining.*\n.*fallback_chain\.0: no route/);
    expect(text).toMatch(/t: 1 error, 1 warning\n$/);
    writeFileSync(join(bad.dir, "config/t/model-mappings.yaml"), MAPPINGS);
    expect(runner(validate, bad.dir)("").code).toBe(0);
    expect(runner(validate, bad.dir)("--strict").code).toBe(1);
    expect(runner(validate, bad.dir)("", true).text).toContain("\u001b[33m");
  });
  test("as JSON, for GitHub, and as SARIF", () => {
    writeFileSync(join(bad.dir, "config/t/model-mappings.yaml"), swap(MAPPINGS, "ttl: 600", "ttl: '10,%'"));
    const json = JSON.parse(runner(validate, bad.dir)("--format json").text);
    expect(json.valid).toBe(false);
    expect(json.problems[0]).toMatchObject({
      file: "config/t/model-mappings.yaml",
      line: 32,
      severity: "error",
      rule: "schema",
    });
    const github = runner(validate, bad.dir)("--format github").text;
    expect(github).toMatch(
      /^::error file=config\/t\/model-mappings\.yaml,line=32,col=3,title=cache\.ttl::must be a number, and is string.*\n/,
    );
    const sarif = JSON.parse(runner(validate, bad.dir)("--format sarif").text);
    expect(sarif.runs[0].results[0]).toMatchObject({
      ruleId: "schema",
      level: "error",
      locations: [{ physicalLocation: { region: { startLine: 32, startColumn: 3 } } }],
    });
    const rules = new Set(sarif.runs[0].tool.driver.rules.map((rule: { id: string }) => rule.id));
    for (const { ruleId } of sarif.runs[0].results) expect(rules.has(ruleId)).toBe(true);
  });
  test("10,000 models: a moment, and little memory", () => {
    const many = (one: (i: number) => string) => Array.from({ length: 10_000 }, (_, i) => one(i)).join("\n");
    const large = folderOf({
      "c/providers.yaml": `providers:\n  one:\n    type: vllm\n    url: http://10.0.0.1:8001\n    models:\n${many((i) => `      - { name: model-${i}, context_length: 8192 }`)}\n`,
      "c/model-mappings.yaml": `routing:\n  exact_matches:\n${many((i) => `    model-${i}: { provider: one }`)}\n`,
    });
    const memory = 'data:text/javascript,process.on("exit",()=>console.error(process.resourceUsage().maxRSS/1024))';
    const loader = pathToFileURL(join(ROOT, "tools/typescript/register.mjs")).href;
    const args = [`--import=${loader}`, `--import=${memory}`, join(ROOT, "operations/validate.ts"), "--dir", "c"];
    const began = performance.now();
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: large.dir, encoding: "utf8" });
    const seconds = (performance.now() - began) / 1000;
    large.done();
    expect(stdout).toBe("c: 0 errors, 0 warnings\n");
    console.log(
      `validate, 10,000 models: ${seconds.toFixed(1)} s, ${Number(stderr).toFixed(0)} MiB (other tests run beside it)`,
    );
    expect(Number(stderr)).toBeLessThan(300);
    expect(seconds).toBeLessThan(6); // 1.4 s alone
  });
  test("called wrongly: 2; help: 0", () => {
    const run = runner(validate, good.dir);
    expect(run("--help")).toMatchObject({ code: 0, text: expect.stringContaining("--format <format>") });
    expect(run("--stack t --dir x").code).toBe(2);
    expect(run("--format xml").code).toBe(2);
    expect(run("--nope").code).toBe(2);
  });
  test("files that are not there, or are not what they should be", () => {
    expect(runner(validate, good.dir)("--stack nowhere")).toMatchObject({
      code: 1,
      text: expect.stringMatching(/^Pulumi\.nowhere\.yaml {2}cannot be read/),
    });
    expect(runner(validate, join(good.dir, "config"))("").text).toMatch(/there is no Pulumi\.<stack>\.yaml here/);
    for (const [text, expected] of [
      ["[]", /has no config/],
      ["config: 5", /has no config/],
      ["config: [", /not valid YAML/],
      ["config:\n  other:x: 1\n  ai-backend:hosts: 5", /hosts: must be a mapping, and is number/],
    ] as const) {
      writeFileSync(join(bad.dir, "Pulumi.t.yaml"), text);
      expect(runner(validate, bad.dir)("")).toMatchObject({ code: 1, text: expect.stringMatching(expected) });
    }
  });
  test("keys and pinned hosts may be elsewhere: warnings, not errors", () => {
    const elsewhere = folderOf({ ...FILES, "Pulumi.t.yaml": STACK, known_hosts: "", id: "key" });
    const { code, text } = runner(validate, elsewhere.dir)("");
    elsewhere.done();
    expect(code).toBe(0);
    expect(text).toMatch(/warning: hosts\.gateway: no key is pinned/);
    expect(text).toMatch(/warning: providers\.cloud\.api_key: the stack has no secret OPENAI_API_KEY/);
  });
  test("what the project ships has no errors", () => {
    expect(runner(validate, ROOT)("")).toMatchObject({ code: 0, text: expect.stringMatching(/lab, prod: 0 errors/) });
    expect(runner(validate, join(ROOT, "examples/one-machine"))("").code).toBe(0);
  });
});

describe("npm run routes", () => {
  let project: ReturnType<typeof folderOf>;
  const git = (...args: string[]) => execFileSync("git", args, { cwd: project.dir, stdio: "ignore" });
  beforeAll(() => {
    project = folderOf({ ...FILES, "Pulumi.u.yaml": STACK + secrets });
    mkdirSync(join(project.dir, "config/u"));
    writeFileSync(join(project.dir, "config/u/providers.yaml"), PROVIDERS);
    writeFileSync(
      join(project.dir, "config/u/model-mappings.yaml"),
      swap(MAPPINGS, "    old: { provider: vectors }\n", ""),
    );
    git("init", "-q");
    git("add", "-A");
    git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "first");
  });
  afterAll(() => project.done());

  test("the table, for people and for programs", () => {
    const run = runner(routes, project.dir);
    expect(run("--stack t").text).toContain(`canary
  1. tiny@llama (llama_cpp, host gpu1, region rack-1, 95 %)
  1. tiny@second (llama_cpp, host gpu1, region rack-2, 5 %)
  limits    tiny@llama: 2 at once
  can       chat, completion
  context   1024 tokens
  cache     never
`);
    expect(run("--stack t").text).toContain("  on error  gpt-4o-mini → gpt-4o → claude-sonnet-4-5\n");
    expect(JSON.parse(run("--stack t --json").text).tiny.aliases).toEqual(["code", "default"]);
    expect(run("--stack t", true).text).toContain("\u001b[1mcanary");
  });
  test("against a stack: what changes for a caller", () => {
    const run = runner(routes, project.dir);
    expect(run("--stack u --against t")).toEqual({ code: 0, text: "- old  removed  gone: callers get 400\n" });
    expect(run("--stack t --against u").text).toMatch(/^\+ old {2}added {2}new, answered by 1\. old@vectors/);
    expect(run("--stack t --against t --exit-code")).toEqual({ code: 0, text: "Nothing changes for a caller.\n" });
    expect(run("--stack t --against u --exit-code --json").code).toBe(1);
  });
  test("against a commit", () => {
    writeFileSync(
      join(project.dir, "config/t/model-mappings.yaml"),
      swap(MAPPINGS, "[claude-sonnet-4-5]\n      content", "[]\n      content"),
    );
    const { code, text } = runner(routes, project.dir)("--stack t --against HEAD");
    expect(code).toBe(0);
    expect(text).toContain("~ gpt-4o  fallback  after an error: - claude-sonnet-4-5\n");
  });
  test("mistakes are said in a line, without a stack", () => {
    const run = runner(routes, project.dir);
    expect(run("--stack t --against nope")).toEqual({
      code: 2,
      text: 'routes: --against: "nope" is neither a stack (t, u) nor a commit\n',
    });
    expect(run("--stack nope").text).toMatch(
      /^routes: the settings of "nope" have mistakes:\n {2}Pulumi\.nope\.yaml {2}cannot be read/,
    );
    expect(run("--nope").code).toBe(2);
    expect(run("--help").code).toBe(0);
  });
  test("every kind of change has its words", () => {
    const before = routesOf(project.dir, "u");
    const after = structuredClone(before);
    const [tiny, mini, gpt] = [after.tiny, after["gpt-4o-mini"], after["gpt-4o"]];
    if (!tiny || !mini || !gpt) throw new Error("the routes are there");
    tiny.answers = tiny.answers.slice(0, 1);
    tiny.aliases = ["code", "default", "bge"];
    delete after.bge;
    mini.prices = ["gpt-4o-mini@cloud: 1 USD a million tokens in", "gpt-4o-mini@cloud: 0.6 out"];
    mini.on_error = [];
    gpt.context_length = 64000;
    gpt.cache = false;
    gpt.capabilities = ["completion", "chat", "vision", "tools", "json", "reasoning"];
    after.code = gpt;
    tiny.aliases = ["default", "bge"];
    expect(compareRoutes(before, after).map(({ route, kind, text }) => `${route} ${kind}: ${text}`)).toEqual([
      expect.stringMatching(/^tiny re-routed: 1\. tiny@llama .* · 2\. tiny@second .* → 1\. tiny@llama \([^·]*$/),
      "tiny names: also called: - code, + bge",
      "gpt-4o abilities: can do: order now completion → chat → vision → tools → json → reasoning",
      "gpt-4o abilities: context: 128000 → 64000 tokens",
      "gpt-4o cache: answers are no longer kept",
      expect.stringMatching(/^gpt-4o-mini fallback: after an error: - gpt-4o, - claude/),
      "gpt-4o-mini prices: prices: - gpt-4o-mini@cloud: 0.15 USD a million tokens in, + gpt-4o-mini@cloud: 1 USD a million tokens in",
      "bge re-routed: now an alias of tiny",
      expect.stringMatching(/^code added: was an alias of tiny, now answered by 1\. gpt-4o@cloud/),
    ]);
  });
});

describe("npm run reference", () => {
  test("what lies in docs/ is what the schemas say", () => {
    expect(runner(reference, ROOT)("--check")).toEqual({ code: 0, text: "" });
  });
  test("it writes what is missing, and says how it is used", () => {
    const empty = folderOf({ "docs/settings.md": "old" });
    expect(runner(reference, empty.dir)("--check")).toMatchObject({
      code: 1,
      text: expect.stringMatching(/docs\/settings\.md is not what the schemas say/),
    });
    expect(runner(reference, empty.dir)("").text.split("\n")).toHaveLength(5);
    expect(runner(reference, empty.dir)("--check").code).toBe(0);
    empty.done();
    expect(runner(reference, ROOT)("--help").code).toBe(0);
    expect(runner(reference, ROOT)("--nope").code).toBe(2);
  });
  test("every setting says what it means, and its default or that there is none", () => {
    const page = references()["docs/settings.md"] as string;
    const rows = page.split("\n").filter((line) => /^\| `[a-z]/.test(line));
    expect(rows.length).toBeGreaterThan(90);
    for (const schema of ["providers", "model-mappings"]) {
      const text = references()[`docs/schema/${schema}.json`] as string;
      const silent: string[] = [];
      const walk = (node: JsonSchema, path: string) => {
        for (const [name, inner] of Object.entries(node.properties ?? {})) {
          if (!inner.description) silent.push(`${path}.${name}`);
          walk(inner, `${path}.${name}`);
        }
        for (const inner of [node.additionalProperties, node.items, ...(node.anyOf ?? [])])
          if (typeof inner === "object") walk(inner, path);
      };
      walk(JSON.parse(text), schema);
      expect(silent).toEqual([]);
    }
  });
});
