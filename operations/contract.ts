/** `npm run contract`: does an endpoint keep what OpenAI's API promises to a client? Ours or not. */
import { pathToFileURL } from "node:url";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { CAPABILITIES } from "../config/schema/providers.ts";
import { CHECKS } from "./contract/checks.ts";
import { ENGINES, type Endpoint, type EngineKind } from "./contract/endpoint.ts";
import { FORMATS, type Format, renderReports } from "./contract/report.ts";
import { checkEndpoint, holds } from "./contract/run.ts";
import { providerEndpoints } from "./provider-endpoints.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  provider?: string[];
  stack: string;
  url?: string;
  key?: string;
  keyEnv?: string;
  engine?: EngineKind;
  model?: string;
  embeddingModel?: string;
  context?: number;
  capabilities?: string[];
  only?: string[];
  timeout: number;
  format: Format;
  list?: boolean;
}

export interface Terminal {
  write: (text: string) => void;
  /** Where progress goes; default: nowhere. */
  progress?: (text: string) => void;
  colour?: boolean;
}

const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("a whole number from 1 on");
  return value;
};

/** Several words: repeated, or with commas. */
const words = (text: string, before: string[] = []) => [...before, ...text.split(",").filter(Boolean)];

const wordsOf = (allowed: readonly string[]) => (text: string, before?: string[]) => {
  const list = words(text, before);
  const unknown = list.find((word) => !allowed.includes(word));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${allowed.join(", ")}`);
  return list;
};

/** Exit codes: 0 kept, 1 a required part is broken or nobody answers, 2 called wrongly. */
export async function main(args: string[], projectDir: string, terminal: Terminal): Promise<number> {
  const { write, progress = () => {}, colour = false } = terminal;
  let code = 0;
  const program = new Command("contract")
    .description("checks that an endpoint keeps what OpenAI's API promises: engine × check, as a table")
    .option("--provider <name>", "a provider of the stack; several with commas (default: all that are deployed)", words)
    .option("--stack <name>", "the stack", "lab")
    .option("--url <url>", "any endpoint instead, as http://127.0.0.1:8080/v1")
    .option("--key <key>", "its key; other users of this machine see it, --key-env is safer")
    .option("--key-env <variable>", "name of an environment variable with its key")
    .addOption(new Option("--engine <kind>", "what stands behind --url").choices(ENGINES))
    .option("--model <name>", "the model to ask (default: the first that is listed)")
    .option("--embedding-model <name>", "the model to ask for embeddings (default: none is asked)")
    .option("--context <tokens>", "its context as declared, for --url (default: not checked)", positive)
    .option(
      "--capabilities <list>",
      "what the model can do, for --url (default: chat,completion,tools,json)",
      wordsOf(CAPABILITIES),
    )
    .option("--only <checks>", "only these, by id; see --list", wordsOf(CHECKS.map(({ id }) => id)))
    .option("--timeout <seconds>", "for one request", positive, 120)
    .addOption(new Option("--format <format>", "how it is written").choices(FORMATS).default("text"))
    .option("--list", "name the checks, and ask nobody")
    .configureOutput({ writeOut: write, writeErr: write })
    .exitOverride()
    .action(async (options: Options) => {
      if (options.list) {
        write(CHECKS.map(({ id, title }) => `${id.padEnd(14)} ${title}\n`).join(""));
        return;
      }
      const endpoints =
        options.url === undefined ? await ofStack(projectDir, options) : [fromUrl(options.url, options)];
      const reports = await Promise.all(
        endpoints.map((endpoint) =>
          checkEndpoint(
            endpoint,
            (done, of, title) => progress(`${endpoint.name}: ${done + 1} of ${of}, ${title}`),
            options.only,
          ),
        ),
      );
      progress("");
      write(renderReports(reports, options.format, colour));
      code = reports.every(holds) ? 0 : 1;
    });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof UsageError)) throw error;
    write(`contract: ${error.message}\n`);
    return 2;
  }
  return code;
}

function fromUrl(url: string, options: Options): Endpoint {
  if (options.provider) throw new UsageError("--url and --provider exclude each other");
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new UsageError(`--url: "${url}" is no http or https URL`);
  const key = options.keyEnv === undefined ? options.key : process.env[options.keyEnv];
  if (options.keyEnv !== undefined && !key) throw new UsageError(`--key-env: ${options.keyEnv} is not set`);
  return {
    name: new URL(url).host,
    engine: options.engine ?? "openai_compatible",
    url: url.replace(/\/+$/, ""),
    capabilities: options.capabilities ?? ["chat", "completion", "tools", "json"],
    timeoutSeconds: options.timeout,
    ...(key && { key }),
    ...(options.model !== undefined && { model: options.model }),
    ...(options.embeddingModel !== undefined && { embeddingModel: options.embeddingModel }),
    ...(options.context !== undefined && { contextLength: options.context }),
  };
}

async function ofStack(projectDir: string, options: Options): Promise<Endpoint[]> {
  for (const name of ["key", "keyEnv", "engine", "context", "capabilities"] as const)
    if (options[name] !== undefined) throw new UsageError(`--${name === "keyEnv" ? "key-env" : name} belongs to --url`);
  const endpoints = await providerEndpoints(projectDir, options.stack, options.provider, options.timeout);
  return endpoints.map((endpoint) => ({
    ...endpoint,
    ...(options.model !== undefined && { model: options.model }),
    ...(options.embeddingModel !== undefined && { embeddingModel: options.embeddingModel }),
  }));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const progress = (text: string) => process.stderr.write(`\r\u001b[K${text}`);
  process.exitCode = await main(process.argv.slice(2), process.cwd(), {
    write: (text) => process.stdout.write(text),
    colour,
    ...(process.stderr.isTTY && { progress }),
  });
}
