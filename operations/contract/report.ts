/** The contract's reports: a table for people, JSON, and JUnit for CI. */
import junit, { type Builder } from "junit-report-builder";
import { createColors } from "picocolors";
import { CHECKS } from "./checks.ts";
import { holds, isBroken, type Report, type Result } from "./run.ts";

export const FORMATS = ["text", "json", "junit"] as const;
export type Format = (typeof FORMATS)[number];

export function renderReports(reports: Report[], format: Format, colour = false): string {
  if (format === "json") return `${JSON.stringify({ holds: reports.every(holds), endpoints: reports }, null, 2)}\n`;
  if (format === "junit") return asJunit(reports);
  return asTable(reports, colour);
}

const cellOf = (result: Result | undefined) => {
  if (result === undefined) return "";
  if (result.state === "passed") return "ok";
  if (result.state === "skipped") return "-";
  return result.demand === "required" ? "FAILS" : "lacks";
};

function asTable(reports: Report[], colour: boolean): string {
  const { red, green, yellow, dim, bold } = createColors(colour);
  const asked = reports.filter(({ unreachable }) => unreachable === undefined);
  const rows = CHECKS.filter(({ id }) => asked.some(({ results }) => results.some((one) => one.id === id)));
  const first = Math.max(0, ...rows.map(({ title }) => title.length));
  const widths = asked.map(({ endpoint }) => Math.max(endpoint.length, 5));
  const paint = { ok: green, FAILS: red, lacks: yellow } as Record<string, (text: string) => string>;
  const lines: string[] = [];
  if (asked.length > 0) {
    const head = asked.map(({ endpoint }, i) => endpoint.padEnd(widths[i] ?? 0)).join("  ");
    lines.push(bold(`${"".padEnd(first)}  ${head}`.trimEnd()));
  }
  for (const { id, title } of rows) {
    const cells = asked.map(({ results }, i) => {
      const cell = cellOf(results.find((one) => one.id === id));
      return (paint[cell] ?? dim)(cell.padEnd(widths[i] ?? 0));
    });
    lines.push(`${title.padEnd(first)}  ${cells.join("  ")}`.trimEnd());
  }
  for (const { endpoint, url, model, engine, unreachable, results } of reports) {
    lines.push("", `${bold(endpoint)}  ${dim(`${engine}, ${model || "no model"}, ${url}`)}`);
    if (unreachable !== undefined) {
      lines.push(red(`  cannot be checked: ${unreachable}`));
      continue;
    }
    for (const result of results) {
      if (result.state === "failed")
        lines.push((isBroken(result) ? red : yellow)(`  ${cellOf(result)}  ${result.title}: ${result.detail}`));
      else if (result.detail && result.detail !== "not applicable to this engine")
        lines.push(dim(`  ${cellOf(result).padEnd(5)}  ${result.title}: ${result.detail}`));
    }
    const count = (state: Result["state"]) => results.filter((one) => one.state === state).length;
    const broken = results.filter(isBroken).length;
    const lacking = count("failed") - broken;
    const summary = `  ${count("passed")} kept, ${broken} broken, ${lacking} optional ones lacking, ${count("skipped")} not applicable`;
    lines.push(broken > 0 ? red(summary) : green(summary));
  }
  return lines.map((line) => `${line}\n`).join("");
}

function asJunit(reports: Report[]): string {
  // Its types say `default.default`; what Node gives is the builder.
  const builder = (junit as unknown as Builder).newBuilder();
  for (const { endpoint, engine, url, unreachable, results } of reports) {
    const suite = builder.testSuite().name(endpoint);
    if (unreachable !== undefined) {
      suite.testCase().className(`contract.${engine}`).name("reachable").error(`${url}: ${unreachable}`);
    }
    for (const result of results) {
      const one = suite.testCase().className(`contract.${engine}`).name(result.title).time(result.seconds);
      if (isBroken(result)) one.failure(result.detail ?? "broken");
      else if (result.state !== "passed") one.skipped();
    }
  }
  return builder.build();
}
