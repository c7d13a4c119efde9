import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { checkFolder } from "../../config/load.ts";
import { formatProblem } from "../../config/problems.ts";
import { YamlSource } from "../../config/yaml-source.ts";
import { MAPPINGS, PROVIDERS } from "../support/project.ts";

/** More locally: FUZZ_RUNS=100000 npm run test:unit. The seed is fixed, so CI sees the same files each time. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 10_000);

/** One change of a text that somebody may make by mistake. */
const mutation = fc.oneof(
  fc.record({
    kind: fc.constant("delete" as const),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    text: fc.constantFrom(
      ":",
      " ",
      "\n",
      "  ",
      "- ",
      "[",
      "]",
      "{",
      "}",
      "&a ",
      "*a",
      "!!x ",
      "'",
      '"',
      "#",
      "null",
      "~",
      "-1",
      "1e999",
      "0x10",
      "true",
      "__proto__: ",
      "constructor",
      "<<: ",
      "\t",
      "\u0000",
      "é",
      "💥",
      "? ",
      "|\n",
      "---\n",
      "...\n",
      "%YAML 9\n",
    ),
  }),
  fc.record({
    kind: fc.constant("swap" as const),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    to: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
);

function apply(
  text: string,
  changes: { kind: string; at: number; length?: number; text?: string; to?: number }[],
): string {
  for (const { kind, at, length = 0, text: more = "", to = 0 } of changes) {
    const place = Math.floor(at * text.length);
    if (kind === "delete") text = text.slice(0, place) + text.slice(place + length);
    else if (kind === "insert") text = text.slice(0, place) + more + text.slice(place);
    else {
      // A line at another place.
      const lines = text.split("\n");
      const [line = ""] = lines.splice(Math.floor(at * lines.length), 1);
      lines.splice(Math.floor(to * lines.length), 0, line);
      text = lines.join("\n");
    }
  }
  return text;
}

/** Any value in the place of any other: what no typing error makes, and a program may. */
const anyValue = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.string(),
  fc.constant([]),
  fc.constant({}),
  fc.constant([[]]),
  fc.constant({ a: 1 }),
);

function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (value === null || typeof value !== "object") return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))];
}

function checkTexts(providers: string, mappings: string) {
  const files: Record<string, string> = { "/p/c/providers.yaml": providers, "/p/c/model-mappings.yaml": mappings };
  return checkFolder("c", "/p", (path) => files[path]).problems;
}

describe("whatever is in the files, the check says so and never throws", () => {
  test(`${RUNS} files with mistakes of typing`, () => {
    let wrong = 0;
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.boolean(), (changes, first) => {
        const problems = checkTexts(
          first ? apply(PROVIDERS, changes) : PROVIDERS,
          first ? MAPPINGS : apply(MAPPINGS, changes),
        );
        for (const problem of problems) {
          expect(formatProblem(problem)).toMatch(
            /^c\/(providers|model-mappings)\.yaml(:\d+:\d+)? {2}[\s\S]*\. Fix: [\s\S]*\.$/,
          );
        }
        if (problems.length > 0) wrong++;
      }),
      { seed: 20, numRuns: RUNS },
    );
    // Else the mutations would change nothing that matters.
    expect(wrong).toBeGreaterThan(RUNS / 2);
  }, 180_000);

  test("values of a wrong kind in every place", () => {
    for (const [text, first] of [
      [PROVIDERS, true],
      [MAPPINGS, false],
    ] as const) {
      const all = places(parse(text)).filter((path) => path.length > 0);
      fc.assert(
        fc.property(fc.constantFrom(...all), anyValue, (path, value) => {
          const document = parse(text);
          // biome-ignore lint/suspicious/noExplicitAny: any document
          const holder = path.slice(0, -1).reduce((inner: any, step) => inner[step], document);
          holder[path.at(-1) as string] = value;
          const changed = stringify(document);
          checkTexts(first ? changed : PROVIDERS, first ? MAPPINGS : changed);
        }),
        { seed: 21, numRuns: 1000 },
      );
    }
  });
});

describe("the parser of large files", () => {
  test("reads what the other reads", () => {
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 3 }), fc.boolean(), (changes, first) => {
        const text = apply(first ? PROVIDERS : MAPPINGS, changes);
        const exact = new YamlSource("f", text, [], "", Number.POSITIVE_INFINITY);
        const quick = new YamlSource("f", text, [], "", 0);
        const problems = exact.problems;
        if (problems.length === 0 && quick.problems.length === 0) expect(quick.value).toEqual(exact.value);
        else if (problems.length > 0) expect(quick.problems).toEqual(problems);
      }),
      { seed: 22, numRuns: 2000 },
    );
  });
  test("a mistake among 10,000 models has its place", () => {
    const models = Array.from({ length: 10_000 }, (_, i) => `      - { name: model-${i}, context_length: 8192 }`).join(
      "\n",
    );
    const routes = Array.from({ length: 10_000 }, (_, i) => `    model-${i}: { provider: one }`).join("\n");
    const providers = `providers:\n  one:\n    type: vllm\n    url: http://10.0.0.1:8001\n    models:\n${models}\n`;
    const mappings = `routing:\n  exact_matches:\n${routes}\n`;
    expect(checkTexts(providers, mappings)).toEqual([]);
    const [wrong] = checkTexts(
      providers,
      mappings.replace("model-9000: { provider: one }", "model-9000: { provider: on }"),
    );
    expect(wrong).toMatchObject({ line: 9003, path: "routing.exact_matches.model-9000.provider" });
  });
});
