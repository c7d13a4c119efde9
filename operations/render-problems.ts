/** Problems for people, programs, GitHub's annotations, and code scanners (SARIF 2.1.0). */
import { createColors } from "picocolors";
import { formatProblem, isError, type Problem } from "../config/problems.ts";

export const FORMATS = ["text", "json", "github", "sarif"] as const;
export type Format = (typeof FORMATS)[number];

/** What each rule is about, for code scanners. */
const RULES: Record<string, string> = {
  yaml: "The file is YAML, and no key is there twice",
  files: "Every file is there",
  schema: "Every setting is known and has a value it may have",
  hosts: "Hosts can be reached, and are who they say",
  placement: "Everything has a place that exists and has room",
  providers: "What a provider says holds together",
  engines: "What an engine is told, it knows and can do",
  secrets: "Secrets are references, never values",
  routes: "Every name leads to somebody who answers",
  fallbacks: "Chains end, and lead to what can take over",
  budgets: "What is promised about money and limits can be counted",
  clients: "What clients may ask for is there",
};

export function renderProblems(problems: Problem[], format: Format, what: string[], colour = false): string {
  if (format === "json") return `${JSON.stringify(asJson(problems), null, 2)}\n`;
  if (format === "sarif") return `${JSON.stringify(asSarif(problems), null, 2)}\n`;
  if (format === "github") return problems.map(asAnnotation).join("");
  const errors = problems.filter(isError).length;
  const { red, yellow, green } = createColors(colour);
  const lines = problems.map((problem) => {
    const line = formatProblem(problem);
    return isError(problem) ? red(line) : yellow(line);
  });
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const warnings = problems.length - errors;
  const summary = `${what.join(", ")}: ${count(errors, "error")}, ${count(warnings, "warning")}`;
  return [...lines, errors > 0 ? red(summary) : green(summary)].map((line) => `${line}\n`).join("");
}

function asJson(problems: Problem[]) {
  return {
    valid: !problems.some(isError),
    problems: problems.map((problem) => ({ ...problem, severity: problem.severity ?? "error" })),
  };
}

/** GitHub reads these from a job's output and shows them at the line. */
function asAnnotation({ file, line, column, path, severity, message, fix }: Problem): string {
  const data = (text: string) => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = (text: string) => data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
  const place = line === undefined ? "" : `,line=${line},col=${column}`;
  return `::${severity ?? "error"} file=${property(file)}${place},title=${property(path)}::${data(`${message}. Fix: ${fix}.`)}\n`;
}

function asSarif(problems: Problem[]) {
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "ai-backend validate",
            rules: Object.entries(RULES).map(([id, text]) => ({ id, shortDescription: { text } })),
          },
        },
        results: problems.map(({ file, line, column, path, rule, severity, message, fix }) => ({
          ruleId: rule,
          level: severity ?? "error",
          message: { text: `${path === "" ? "" : `${path}: `}${message}. Fix: ${fix}.` },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: file },
                ...(line !== undefined && { region: { startLine: line, startColumn: column } }),
              },
            },
          ],
        })),
      },
    ],
  };
}
