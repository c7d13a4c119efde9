/** Runs the checks against endpoints: endpoints side by side, the checks of one in turn. */
import OpenAI from "openai";
import { CHECKS, type Demand, demandOf } from "./checks.ts";
import { type Endpoint, excerpt, Models, NotApplicable, Session, Violation } from "./endpoint.ts";

export interface Result {
  id: string;
  title: string;
  demand: Demand;
  state: "passed" | "failed" | "skipped";
  /** What is wrong, why it was skipped, or what was measured. */
  detail?: string;
  seconds: number;
}

export interface Report {
  endpoint: string;
  engine: string;
  url: string;
  model: string;
  /** Why nothing could be asked; then there are no results. */
  unreachable?: string;
  results: Result[];
}

/** Broken where it may not be. */
export const isBroken = ({ state, demand }: Result) => state === "failed" && demand === "required";
export const holds = (report: Report) => report.unreachable === undefined && !report.results.some(isBroken);

/** The deepest message: fetch only says that it failed. */
const causeOf = (error: unknown): string => {
  const { cause, message, code } = (error ?? {}) as { cause?: unknown; message?: string; code?: string };
  return cause ? causeOf(cause) : message || code || String(error);
};

/** What a person should read of an error after so many seconds; the key is never part of it. */
function explain(error: unknown, { key, timeoutSeconds }: Endpoint, seconds: number): string {
  let text: string;
  if (error instanceof Violation || error instanceof NotApplicable) text = error.message;
  else if (error instanceof OpenAI.APIConnectionTimeoutError || (error as Error)?.name === "TimeoutError")
    text = `no answer within ${timeoutSeconds} s`;
  else if (error instanceof OpenAI.APIError && error.status !== undefined) text = `refused: ${excerpt(error.message)}`;
  else if (error instanceof SyntaxError) text = `the answer is no JSON: ${error.message}`;
  // An abort has many shapes by the time it comes here; its moment is always the same.
  else if (seconds >= timeoutSeconds) text = `no answer within ${timeoutSeconds} s`;
  else text = causeOf(error);
  return key ? text.replaceAll(key, "[key]") : text;
}

/** The model to ask: as said, or the first that the endpoint lists. */
async function modelOf(endpoint: Endpoint): Promise<string> {
  const { status, text } = await new Session(endpoint, "").raw(`${endpoint.url}/models`);
  if (endpoint.model !== undefined) return endpoint.model;
  if (status !== 200) throw new Violation(`/models answers ${status}: ${excerpt(text)}; name the model with --model`);
  const listed = Models.safeParse(JSON.parse(text));
  const first = listed.success ? listed.data.data[0]?.id : undefined;
  if (first === undefined) throw new Violation("/models lists no model; name it with --model");
  return first;
}

/** Checks one endpoint; `only` limits it to some checks, by id. */
export async function checkEndpoint(
  endpoint: Endpoint,
  progress: (done: number, of: number, title: string) => void = () => {},
  only?: readonly string[],
): Promise<Report> {
  const report: Report = {
    endpoint: endpoint.name,
    engine: endpoint.engine,
    url: endpoint.url,
    model: endpoint.model ?? "",
    results: [],
  };
  const asked = performance.now();
  try {
    report.model = await modelOf(endpoint);
  } catch (error) {
    return { ...report, unreachable: explain(error, endpoint, (performance.now() - asked) / 1000) };
  }
  const session = new Session(endpoint, report.model);
  const checks = CHECKS.filter(({ id }) => !only || only.includes(id));
  for (const [index, check] of checks.entries()) {
    progress(index, checks.length, check.title);
    const { id, title } = check;
    const demand = demandOf(check, endpoint.engine);
    const began = performance.now();
    const done = (state: Result["state"], detail?: string) => {
      const seconds = (performance.now() - began) / 1000;
      report.results.push({ id, title, demand, state, seconds, ...(detail && { detail }) });
    };
    if (demand === "not applicable") {
      done("skipped", "not applicable to this engine");
      continue;
    }
    try {
      done("passed", (await check.run(session)) ?? undefined);
    } catch (error) {
      done(
        error instanceof NotApplicable ? "skipped" : "failed",
        explain(error, endpoint, (performance.now() - began) / 1000),
      );
    }
  }
  return report;
}
