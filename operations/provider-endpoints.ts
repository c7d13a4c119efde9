/** Providers of a deployed stack as endpoints that can be asked: their addresses and keys. */
import { execa } from "execa";
import { baseUrl, isEmbedding } from "../config/litellm-kinds.ts";
import { checkSettings, NAMESPACE } from "../config/load.ts";
import { formatProblem, isError } from "../config/problems.ts";
import { capabilitiesOf, type ProviderSettings, SECRET_REFERENCE } from "../config/schema/providers.ts";
import type { Settings } from "../config/settings.ts";
import { readStackFile } from "../config/stack-file.ts";
import type { Endpoint } from "./contract/endpoint.ts";
import { UsageError } from "./usage-error.ts";

const VENDORS: Partial<Record<ProviderSettings["type"], string>> = {
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com/v1",
};

/** What the engine knows of the stack. Its secrets are in it: nothing of it is printed. */
export type AskPulumi = (args: string[]) => Promise<string>;

const pulumi =
  (projectDir: string): AskPulumi =>
  async (args) => {
    const { stdout, stderr, exitCode } = await execa("pulumi", [...args, "--non-interactive"], {
      cwd: projectDir,
      preferLocal: true,
      localDir: projectDir,
      reject: false,
    });
    if (exitCode === 0) return stdout;
    const reason = stderr.trim().split("\n").at(-1) ?? "";
    throw new UsageError(
      `\`pulumi ${args.slice(0, 2).join(" ")}\` failed: ${reason} (is this shell set up for the stack?)`,
    );
  };

/** The settings of a stack, from its files. */
export function settingsOf(projectDir: string, stack: string): Settings {
  const { config, problems } = readStackFile(projectDir, stack);
  const checked = config ? checkSettings(config) : { problems };
  if ("settings" in checked && checked.settings) return checked.settings;
  const lines = checked.problems.filter(isError).map((problem) => `  ${formatProblem(problem)}`);
  throw new UsageError(`the settings of "${stack}" have mistakes:\n${lines.join("\n")}`);
}

/** Deployed providers of a stack, or only the named ones. */
export async function providerEndpoints(
  projectDir: string,
  stack: string,
  names: string[] | undefined,
  timeoutSeconds: number,
  ask: AskPulumi = pulumi(projectDir),
): Promise<Endpoint[]> {
  const { providers } = settingsOf(projectDir, stack);
  const deployed = Object.keys(providers).filter((name) => providers[name]?.status !== "disabled");
  const unknown = names?.find((name) => !deployed.includes(name));
  if (unknown !== undefined) throw new UsageError(`--provider: "${unknown}" is none of ${deployed.join(", ")}`);
  const outputs = JSON.parse(await ask(["stack", "output", "--json", "--show-secrets", "--stack", stack])) as {
    engineUrls?: Record<string, string>;
    engineKeys?: Record<string, string>;
  };
  const secrets = JSON.parse(await ask(["config", "--json", "--show-secrets", "--stack", stack])) as Record<
    string,
    { value?: string }
  >;
  return (names ?? deployed).map((name) => {
    const provider = providers[name] as ProviderSettings;
    const url = provider.engine ? outputs.engineUrls?.[name] : (provider.url ?? VENDORS[provider.type]);
    if (url === undefined) throw new UsageError(`"${name}" is not deployed yet: run \`pulumi up --stack ${stack}\``);
    const secret = SECRET_REFERENCE.exec(provider.api_key ?? "")?.[1];
    const key = secret === undefined ? outputs.engineKeys?.[name] : secrets[`${NAMESPACE}:${secret}`]?.value;
    const chats = provider.models.filter((model) => !isEmbedding(model));
    const first = chats[0] ?? provider.models[0];
    const embeds = provider.models.find((model) => capabilitiesOf(model).includes("embedding"));
    return {
      name,
      engine: provider.type,
      url: `${baseUrl(provider.type, url).replace(/\/v1$/, "")}/v1`,
      capabilities: first ? capabilitiesOf(first) : [],
      timeoutSeconds,
      ...(key && { key }),
      ...(first && { model: first.upstream_name ?? first.name }),
      ...(first?.context_length && { contextLength: first.context_length }),
      ...(embeds && { embeddingModel: embeds.upstream_name ?? embeds.name }),
    };
  });
}
