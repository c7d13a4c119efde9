import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { Cache } from "./components/cache/cache.ts";
import { Edge } from "./components/edge/edge.ts";
import { gatewaySettings } from "./components/gateway/deployments.ts";
import { Gateway } from "./components/gateway/gateway.ts";
import { Host } from "./components/host/host.ts";
import { clearLeftovers } from "./components/host/leftovers.ts";
import { preflight } from "./components/host/preflight.ts";
import { type Shell, shellOf } from "./components/host/shell.ts";
import type { SshAccess } from "./components/host/ssh-options.ts";
import type { EngineArgs } from "./components/providers/engine.ts";
import { LlamaCpp } from "./components/providers/llama-cpp.ts";
import { Ollama } from "./components/providers/ollama.ts";
import { Vllm } from "./components/providers/vllm.ts";
import { capacityLines, capacityPlan } from "./config/capacity.ts";
import { compactRoutes } from "./config/compact-routes.ts";
import { mirrored } from "./config/images.ts";
import { isEmbedding } from "./config/litellm-kinds.ts";
import { loadSettings, NAMESPACE } from "./config/load.ts";
import { formatProblem, SettingsError } from "./config/problems.ts";
import {
  type EngineSettings,
  keyVariableOf,
  type ProviderSettings,
  SECRET_REFERENCE,
} from "./config/schema/providers.ts";
import type { SshHostSettings } from "./config/schema/stack.ts";
import type { Settings } from "./config/settings.ts";

/** Free space a host must have before an update, MiB. */
const DISK_MIB = 2048;

// A killed engine answers no more (gRPC: UNAVAILABLE). Left alone, the program would report that to it for ever, at full load.
process.prependListener("unhandledRejection", (error) => {
  if ((error as { code?: number } | undefined)?.code === 14) process.exit(1);
});

const settings = readSettings();
for (const warning of settings.warnings) await pulumi.log.warn(formatProblem(warning));
const access = sshAccess(settings);
const shells = Object.fromEntries(Object.keys(settings.hosts).map((name) => [name, shellFor(name)]));
if (!pulumi.runtime.isDryRun()) {
  await checkHosts();
  await clearLeftovers(
    settings.stack,
    usedHosts(settings).map((name) => ({ name, shell: shells[name] as Shell })),
    exportState,
  );
}

// Hosts
const privateKey = access?.privateKeyFile && pulumi.secret(readFileSync(access.privateKeyFile, "utf8"));
const script = (path: string) => readFileSync(join(import.meta.dirname, path), "utf8");
const tool = script("components/host/host-tool.sh");
const modelTool = script("components/providers/model-tool.sh");
const hosts = Object.fromEntries(
  usedHosts(settings).map((name) => {
    const own = settings.hosts[name] as Settings["hosts"][string];
    const args = {
      settings: own,
      hostKey: settings.hostKeys[name],
      ...(access && { access }),
      ...(privateKey && { privateKey }),
      ...(own.kind === "ssh" && own.bastion && { bastion: bastionOf(own.bastion) }),
      dataDir: settings.dataDir,
      tool,
      modelTool,
      stack: settings.stack,
    };
    return [name, new Host(name, args)];
  }),
);
const hostOf = (name: string) => hosts[name] as Host;
const front = hostOf(settings.placement.gateway);
const image = (name: keyof Settings["images"]) => mirrored(settings.images[name], settings.imageMirror);

// The gateway host's own network: the gateway and the cache are reached inside it only.
const network = new docker.Network(
  "network",
  { name: "ai-backend", labels: [{ label: "ai-backend.stack", value: settings.stack }] },
  {
    parent: front,
    provider: front.provider,
    deleteBeforeReplace: true,
  },
);

// Engines
const engines = Object.entries(settings.providers)
  .filter(([, provider]) => provider.engine && provider.status !== "disabled")
  .map(([name, provider]) => ({ name, ...runEngine(name, provider) }));

// Cache, edge, gateway
const cache = new Cache("cache", { host: front, image: image("cache"), network, memoryMiB: settings.cache.memoryMiB });
const gatewayKey = new random.RandomPassword("gateway-key", { length: 40, special: false });
const key = pulumi.interpolate`sk-${gatewayKey.result}`;
const timeouts = Object.values(settings.providers).map((provider) => provider.timeouts);
const longest = Math.max(...timeouts.map((one) => one.total_seconds));
const edge = new Edge("edge", {
  host: front,
  image: image("edge"),
  network,
  bind: settings.edge.bind,
  port: settings.edge.port,
  clients: settings.clients,
  allowedOrigins: settings.edge.allowedOrigins,
  gatewayKey: key,
  requestTimeoutSeconds: longest,
});
const { table, mappings } = settings;
const routeNames = [...table.routes.keys()];
const urls = Object.fromEntries(engines.map(({ name, url: base }) => [name, base]));
new Gateway("gateway", {
  host: front,
  image: image("gateway"),
  network,
  settings: gatewaySettings({
    mappings,
    table,
    engines: urls,
    clients: settings.clients,
    cacheHost: cache.hostName,
  }),
  key,
  redisPassword: cache.password,
  providerKeys: providerKeys(),
  smokeRoutes: smokeRoutes(),
  workers: settings.gateway.workers,
  memoryMiB: settings.gateway.memoryMiB,
  drainSeconds: settings.gateway.drainSeconds,
  connectSeconds: Math.max(...timeouts.map((one) => one.connect_seconds)),
  streamSeconds: longest,
  edge: edge.container,
  after: [cache.ready, edge.ready, ...engines.map(({ ready }) => ready)],
});

/** Base URL for OpenAI clients. */
export const url = edge.url;
/** Client → its key; show with `pulumi stack output clientKeys --show-secrets`. */
export const clientKeys = edge.clientKeys;
/** Names a client may ask for, but for aliases. */
export const models = routeNames;
/** Host → what its engines take of its GPUs and its memory. */
export const capacity = capacityLines(
  capacityPlan(settings.hosts, settings.placement.providers, settings.providers),
  settings.hosts,
);
/** Engine → its base URL, for those who may reach it. */
export const engineUrls = urls;
/** Engine → its key, where it has one. */
export const engineKeys = pulumi.secret(
  Object.fromEntries(engines.flatMap(({ name, key: own }) => (own ? [[name, own]] : []))),
);
/** Name → who answers it, in which order, within which limits, and who is asked when they fail. */
export const routes = compactRoutes(table, (provider) => settings.placement.providers[provider]);

function readSettings(): Settings {
  const project = pulumi.getProject();
  if (project !== NAMESPACE)
    throw new pulumi.RunError(`the project in Pulumi.yaml must be named ${NAMESPACE}, and is ${project}`);
  const values: Record<string, unknown> = {};
  const secrets: Record<string, "secret" | "plain"> = {};
  const hidden: string[] = JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS ?? "[]");
  for (const [full, text] of Object.entries(pulumi.runtime.allConfig())) {
    const [namespace, name = ""] = full.split(":");
    if (namespace !== NAMESPACE) continue;
    if (/^[A-Z][A-Z0-9_]*$/.test(name)) secrets[name] = hidden.includes(full) ? "secret" : "plain";
    else values[name] = /^[[{]/.test(text) ? JSON.parse(text) : text;
  }
  try {
    return loadSettings({ stack: pulumi.getStack(), projectDir: process.cwd(), values, secrets });
  } catch (error) {
    if (error instanceof SettingsError) throw new pulumi.RunError(error.message);
    throw error;
  }
}

/** The engine of a provider, on its host. */
function runEngine(
  name: string,
  provider: ProviderSettings,
): { url: string; ready: pulumi.Resource; key?: pulumi.Output<string> } {
  const host = hostOf(settings.placement.providers[name] as string);
  const token = provider.type === "vllm" ? provider.engine?.hf_token : undefined;
  const secret = SECRET_REFERENCE.exec(token ?? "")?.[1];
  const args = {
    host,
    served: provider.models.map((model) => model.upstream_name ?? model.name),
    reach: host === front ? { network } : { address: host.settings.address as string },
    hub: { url: settings.huggingFace, ...(secret && { token: new pulumi.Config().requireSecret(secret) }) },
  };
  const withEngine = <T extends EngineSettings>(engine: T, picture: keyof Settings["images"]): EngineArgs<T> => ({
    ...args,
    engine,
    image: image(picture),
  });
  switch (provider.type) {
    case "llama_cpp":
      return new LlamaCpp(name, withEngine(provider.engine as NonNullable<typeof provider.engine>, "llamaCpp"));
    case "ollama":
      return new Ollama(name, withEngine(provider.engine as NonNullable<typeof provider.engine>, "ollama"));
    case "vllm":
      return new Vllm(name, withEngine(provider.engine as NonNullable<typeof provider.engine>, "vllm"));
    default:
      throw new Error(`"${name}" has an engine, and ${provider.type} has none`); // the schema refuses it
  }
}

function sshAccess({ ssh }: Settings): SshAccess | undefined {
  if (!ssh) return undefined;
  const controlDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "ai-backend", "ssh");
  mkdirSync(controlDir, { recursive: true, mode: 0o700 });
  return { ...ssh, controlDir };
}

function bastionOf(name: string) {
  return { settings: settings.hosts[name] as SshHostSettings, hostKey: settings.hostKeys[name] as string };
}

function shellFor(name: string): Shell {
  const host = settings.hosts[name] as Settings["hosts"][string];
  const bastion = host.kind === "ssh" && host.bastion ? (settings.hosts[host.bastion] as SshHostSettings) : undefined;
  return shellOf(host, access, bastion);
}

/** Hosts that something is placed on. */
function usedHosts({ placement, providers }: Settings): string[] {
  const engineHosts = Object.entries(placement.providers)
    .filter(([provider]) => providers[provider]?.status !== "disabled")
    .map(([, host]) => host);
  return [...new Set([placement.gateway, ...engineHosts])];
}

/** Settings of the engines that are placed on a host. */
function enginesOn(host: string): EngineSettings[] {
  const names = Object.keys(settings.placement.providers).filter((name) => settings.placement.providers[name] === host);
  return names.flatMap((name) => {
    const provider = settings.providers[name];
    return provider?.engine && provider.status !== "disabled" ? [provider.engine] : [];
  });
}

async function checkHosts(): Promise<void> {
  const lines = await preflight(
    usedHosts(settings).map((name) => ({
      name,
      host: settings.hosts[name] as Settings["hosts"][string],
      shell: shells[name] as Shell,
      dataDir: settings.dataDir,
      diskMiB: DISK_MIB,
      gpus: enginesOn(name).some((engine) => engine.gpus !== 0),
      fetches: enginesOn(name).some((engine) => /"(url|huggingface)":/.test(JSON.stringify(engine))),
    })),
  );
  if (lines.length === 0) return;
  const count = lines.length === 1 ? "1 host is" : `${lines.length} hosts are`;
  throw new pulumi.RunError(`${count} not ready, nothing was touched:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

/** Routes that a new gateway is asked before it gets traffic: the first, and some that chat. */
function smokeRoutes(): string[] {
  const chats = routeNames.filter((name) =>
    table.routes.get(name)?.answers.some((one) => !isEmbedding(one.upstream.model)),
  );
  return [...new Set([table.first, ...chats])].filter((name) => chats.includes(name)).slice(0, 5);
}

/** What the engine knows of this stack: its own answer, since a program cannot see its state. */
async function exportState(): Promise<string> {
  const { execa } = await import("execa");
  const { stdout } = await execa("pulumi", ["stack", "export", "--stack", settings.stack, "--non-interactive"]);
  return stdout;
}

function providerKeys(): Record<string, pulumi.Input<string>> {
  const config = new pulumi.Config();
  const keys: Record<string, pulumi.Input<string>> = {};
  for (const { name, key: own } of engines) if (own) keys[keyVariableOf(name)] = own;
  for (const [name, { api_key, status }] of Object.entries(settings.providers)) {
    const secret = SECRET_REFERENCE.exec(api_key ?? "")?.[1];
    if (secret && status !== "disabled") keys[keyVariableOf(name)] = config.requireSecret(secret);
  }
  return keys;
}
