/** Reads the settings of a stack: everything that is wrong at once, and Settings when nothing is. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { checkBudgets, checkProviderBudgets } from "./checks/budgets.ts";
import { checkClients } from "./checks/clients.ts";
import { checkEngines } from "./checks/engines.ts";
import { checkFallbacks } from "./checks/fallbacks.ts";
import { checkLiteralSecrets } from "./checks/literal-secrets.ts";
import { checkHosts, checkPlacement } from "./checks/placement.ts";
import { checkKeys, checkProviders } from "./checks/providers.ts";
import { checkRoutes } from "./checks/routes.ts";
import { pinnedKey } from "./known-hosts.ts";
import { isError, type Problem, type Report, SettingsError, type Severity } from "./problems.ts";
import { type RoutingTable, routingTable } from "./routing-table.ts";
import { Mappings } from "./schema/mappings.ts";
import { Providers, SECRET_REFERENCE } from "./schema/providers.ts";
import { StackSettings } from "./schema/stack.ts";
import type { Settings } from "./settings.ts";
import { type Validated, validate } from "./validate.ts";
import { YamlSource } from "./yaml-source.ts";

/** The namespace of this program's settings in a stack file. */
export const NAMESPACE = "ai-backend";

/** The text of a file; nothing where there is none. */
export type ReadFile = (path: string) => string | undefined;

export interface StackConfig {
  stack: string;
  /** Folder of Pulumi.yaml; paths in the settings are relative to it. */
  projectDir: string;
  /** The stack's settings as the engine has them, without the namespace. */
  values: Record<string, unknown>;
  /** Upper-case settings of the stack: which are secret, which lie there in clear. */
  secrets: Record<string, "secret" | "plain">;
  /**
   * How much it matters that keys, pinned hosts and secrets are here. A warning for who looks
   * at the files alone, elsewhere than where the stack is updated. Default: error.
   */
  atHand?: Severity;
  /** Default: from the disk. */
  readFile?: ReadFile;
}

export interface Checked {
  problems: Problem[];
  /** Missing where there are errors. */
  settings?: Settings;
}

/** A document that was read: as far as it is good. */
interface Read<T> extends Validated<T> {
  source: YamlSource;
}

const fromDisk: ReadFile = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/** Throws a SettingsError with everything that is wrong. */
export function loadSettings(config: StackConfig): Settings {
  const { problems, settings } = checkSettings(config);
  if (!settings) throw new SettingsError(problems.filter(isError));
  return settings;
}

export function checkSettings(config: StackConfig): Checked {
  const { stack, projectDir, values, secrets, atHand = "error", readFile = fromDisk } = config;
  const problems: Problem[] = [];
  const stackFile = `Pulumi.${stack}.yaml`;
  const stackYaml = new YamlSource(stackFile, readFile(join(projectDir, stackFile)) ?? "", ["config"], `${NAMESPACE}:`);
  const { problems: wrong, value: settings } = validate(StackSettings, stackYaml, values);
  problems.push(...wrong);
  checkLiteralSecrets(values, reporter(problems, stackYaml, "secrets"));

  const folder = typeof values.configDir === "string" ? values.configDir : `config/${stack}`;
  const inFolder: Problem[] = [];
  const { providers, mappings, known, table } = checkFolder(folder, projectDir, readFile, inFolder, settings);
  const hostKeys: Record<string, string> = {};
  if (settings) {
    checkHosts(settings, reporter(problems, stackYaml, "hosts"));
    readHostKeys(settings, projectDir, readFile, reporter(problems, stackYaml, "hosts"), atHand, hostKeys);
    if (known) checkPlacement(settings, known, reporter(problems, stackYaml, "placement"));
    if (table) checkClients(settings, table, reporter(problems, stackYaml, "clients"));
  }
  if (providers && known) checkKeys(known, secrets, stack, reporter(inFolder, providers, "secrets"), atHand);
  problems.push(...inFolder);
  if (!settings || !known || !mappings || !table || problems.some(isError)) return { problems };

  const { configDir: _, ...rest } = settings;
  const absolute = (path: string) => resolve(projectDir, path);
  const names = Object.values(known.providers)
    .filter(({ status }) => status !== "disabled")
    .flatMap(({ api_key }) => SECRET_REFERENCE.exec(api_key ?? "")?.[1] ?? []);
  return {
    problems,
    settings: {
      ...rest,
      ...(settings.ssh && {
        ssh: {
          knownHostsFile: absolute(settings.ssh.knownHostsFile),
          ...(settings.ssh.privateKeyFile && { privateKeyFile: absolute(settings.ssh.privateKeyFile) }),
        },
      }),
      stack,
      configDir: folder,
      providers: known.providers,
      mappings,
      table,
      hostKeys,
      secretNames: [...new Set(names)].sort(),
      warnings: problems,
    },
  };
}

/** `providers.yaml` and `model-mappings.yaml` of a folder; with a stack's settings, checked against those, too. */
export function checkFolder(
  folder: string,
  projectDir: string,
  readFile: ReadFile = fromDisk,
  problems: Problem[] = [],
  settings?: StackSettings,
) {
  const document = <T extends z.ZodType>(schema: T, name: string): Read<z.infer<T>> | undefined => {
    const file = `${folder}/${name}`;
    const text = readFile(resolve(projectDir, file));
    if (text === undefined) {
      const fix = `create it, or set ${NAMESPACE}:configDir`;
      problems.push({ file, path: "", rule: "files", message: "cannot be read", fix });
      return undefined;
    }
    const source = new YamlSource(file, text);
    const syntax = source.problems;
    if (syntax.length > 0) {
      problems.push(...syntax);
      return undefined;
    }
    const input = source.value;
    const result = validate(schema, source, input);
    problems.push(...result.problems);
    checkLiteralSecrets(input, reporter(problems, source, "secrets"));
    return { source, ...result };
  };
  const providers = document(Providers, "providers.yaml");
  const read = document(Mappings, "model-mappings.yaml");
  const known = providers?.value;
  const mappings = read?.value;
  let table: RoutingTable | undefined;
  if (providers && known) {
    checkProviders(known, settings?.placement, reporter(problems, providers.source, "providers"));
    checkEngines(known, reporter(problems, providers.source, "engines"));
    checkProviderBudgets(known.providers, reporter(problems, providers.source, "budgets"));
    if (read && mappings) {
      const { routing, litellm_settings } = mappings;
      table = routingTable({ routing, budgets: litellm_settings, providers: known.providers });
      const hostOf = (provider: string) => settings?.placement.providers[provider];
      checkRoutes({ mappings, providers: known.providers, table }, reporter(problems, read.source, "routes"));
      checkFallbacks(mappings, table, hostOf, reporter(problems, read.source, "fallbacks"));
      checkBudgets(mappings, known.providers, table, reporter(problems, read.source, "budgets"));
    }
  }
  return { problems, providers: providers?.source, known, mappings, table };
}

function reporter(problems: Problem[], source: YamlSource, rule: string): Report {
  return (path, message, fix, severity) =>
    problems.push({ ...source.at(path), path: path.join("."), rule, message, fix, ...(severity && { severity }) });
}

function readHostKeys(
  { hosts, ssh }: StackSettings,
  projectDir: string,
  readFile: ReadFile,
  report: Report,
  severity: Severity,
  into: Record<string, string>,
): void {
  if (!ssh) return;
  const { knownHostsFile, privateKeyFile } = ssh;
  if (privateKeyFile && readFile(resolve(projectDir, privateKeyFile)) === undefined) {
    report(
      ["ssh", "privateKeyFile"],
      `${privateKeyFile} cannot be read`,
      "give the path of a private key, or remove this to use the SSH agent",
      severity,
    );
  }
  const text = readFile(resolve(projectDir, knownHostsFile));
  if (text === undefined) {
    report(
      ["ssh", "knownHostsFile"],
      `${knownHostsFile} cannot be read`,
      "make it with `ssh-keyscan HOST >> FILE`, and compare the fingerprints",
      severity,
    );
    return;
  }
  for (const [name, host] of Object.entries(hosts)) {
    if (host.kind !== "ssh") continue;
    const key = pinnedKey(text, host.address, host.port);
    if (key) into[name] = key;
    else {
      const port = host.port === 22 ? "" : `-p ${host.port} `;
      report(
        ["hosts", name],
        `no key is pinned for ${host.address} in ${knownHostsFile}`,
        `run \`ssh-keyscan ${port}${host.address} >> ${knownHostsFile}\`, and compare the fingerprint with the host's own`,
        severity,
      );
    }
  }
}
