/** Reads the settings of a stack: everything that is wrong at once, or Settings. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { checkHosts, checkPlacement, checkProviders, checkRouting, checkSecrets, type Report } from "./check.ts";
import { pinnedKey } from "./known-hosts.ts";
import { type Problem, SettingsError } from "./problems.ts";
import { Mappings } from "./schema/mappings.ts";
import { Providers, SECRET_REFERENCE } from "./schema/providers.ts";
import { StackSettings } from "./schema/stack.ts";
import type { Settings } from "./settings.ts";
import { validate } from "./validate.ts";
import { YamlSource } from "./yaml-source.ts";

/** The namespace of this program's settings in a stack file. */
export const NAMESPACE = "ai-backend";

export interface StackConfig {
  stack: string;
  /** Folder of Pulumi.yaml; paths in the settings are relative to it. */
  projectDir: string;
  /** The stack's settings as the engine has them, without the namespace. */
  values: Record<string, unknown>;
  /** Upper-case settings of the stack: which are secret, which lie there in clear. */
  secrets: Record<string, "secret" | "plain">;
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

export function loadSettings({ stack, projectDir, values, secrets }: StackConfig): Settings {
  const problems: Problem[] = [];
  const reporter =
    (source: YamlSource): Report =>
    (path, message, fix) =>
      problems.push({ ...source.at(path), path: path.join("."), message, fix });

  const stackFile = `Pulumi.${stack}.yaml`;
  const stackYaml = new YamlSource(stackFile, read(join(projectDir, stackFile)) ?? "", ["config"], `${NAMESPACE}:`);
  const checked = validate(StackSettings, stackYaml, values);
  problems.push(...checked.problems);

  const configDir = typeof values.configDir === "string" ? values.configDir : `config/${stack}`;
  const document = <T extends typeof Providers | typeof Mappings>(schema: T, name: string) => {
    const file = `${configDir}/${name}`;
    const text = read(resolve(projectDir, file));
    if (text === undefined) {
      problems.push({ file, path: "", message: "cannot be read", fix: `create it, or set ${NAMESPACE}:configDir` });
      return undefined;
    }
    const source = new YamlSource(file, text);
    if (source.problems.length > 0) {
      problems.push(...source.problems);
      return undefined;
    }
    const result = validate(schema, source, source.value);
    problems.push(...result.problems);
    return { source, value: result.value };
  };
  const providers = document(Providers, "providers.yaml");
  const mappings = document(Mappings, "model-mappings.yaml");

  const settings = checked.value;
  const known = providers?.value as Providers | undefined;
  const routes = mappings?.value as Mappings | undefined;
  const hostKeys: Record<string, string> = {};
  if (settings) {
    const report = reporter(stackYaml);
    checkHosts(settings, report);
    readHostKeys(settings, projectDir, report, hostKeys);
    if (known) checkPlacement(settings, known, report);
  }
  if (providers && known) {
    const report = reporter(providers.source);
    if (settings) checkProviders(known, settings.placement, report);
    checkSecrets(known, secrets, stack, report);
    if (mappings && routes) checkRouting(routes, known, reporter(mappings.source));
  }
  if (problems.length > 0 || !settings || !known || !routes) throw new SettingsError(problems);

  const { configDir: _, ...rest } = settings;
  const absolute = (path: string) => resolve(projectDir, path);
  const names = Object.values(known.providers)
    .filter(({ status }) => status === "active")
    .flatMap(({ api_key }) => SECRET_REFERENCE.exec(api_key ?? "")?.[1] ?? []);
  return {
    ...rest,
    ...(settings.ssh && {
      ssh: {
        knownHostsFile: absolute(settings.ssh.knownHostsFile),
        ...(settings.ssh.privateKeyFile && { privateKeyFile: absolute(settings.ssh.privateKeyFile) }),
      },
    }),
    stack,
    providers: known.providers,
    routing: routes.routing,
    hostKeys,
    secretNames: [...new Set(names)].sort(),
  };
}

function readHostKeys(
  { hosts, ssh }: StackSettings,
  projectDir: string,
  report: Report,
  into: Record<string, string>,
): void {
  if (!ssh) return;
  const { knownHostsFile, privateKeyFile } = ssh;
  if (privateKeyFile && read(resolve(projectDir, privateKeyFile)) === undefined) {
    report(
      ["ssh", "privateKeyFile"],
      `${privateKeyFile} cannot be read`,
      "give the path of a private key, or remove this to use the SSH agent",
    );
  }
  const text = read(resolve(projectDir, knownHostsFile));
  if (text === undefined) {
    report(
      ["ssh", "knownHostsFile"],
      `${knownHostsFile} cannot be read`,
      "make it with `ssh-keyscan HOST >> FILE`, and compare the fingerprints",
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
      );
    }
  }
}
