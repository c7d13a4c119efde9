/** A stack on a lab, in a project folder of its own, driven by the real engine. */
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { MODEL_PATH } from "../../lab/model.ts";
import { addressOf, type LabSettings, registryOf, upstreamOf } from "../../lab/settings.ts";
import { ensureStack, pulumi, type Stack, stackEnvironment, UPSTREAM_KEY, writeEnvironment } from "../../lab/stack.ts";
import { PROJECT_DIR } from "../../tools/engine/paths.ts";

// biome-ignore lint/suspicious/noExplicitAny: settings are written as YAML, whatever a test wants in them
type Data = any;

export class Backend {
  readonly stack: Stack;
  settings: Data;
  providers: Data;
  /** `routing` of the mappings. */
  mappings: Data;
  /** The mappings' other parts: cache, litellm_settings. */
  besides: Data = {};
  /** Value of the stack's secret OPENAI_API_KEY. */
  upstreamKey = UPSTREAM_KEY;

  constructor(
    readonly lab: LabSettings,
    name = "test",
  ) {
    const env = { ...stackEnvironment(lab), XDG_CACHE_HOME: join(lab.dir, "cache") };
    this.stack = { name, project: join(lab.dir, "project"), env };
    this.settings = {
      hosts: Object.fromEntries(
        Object.keys(lab.hosts).map((host) => [host, { kind: "ssh", address: addressOf(lab, host) }]),
      ),
      ssh: { privateKeyFile: "../id_ed25519", knownHostsFile: "../known_hosts" },
      placement: { gateway: "gateway", providers: { llama: "gpu1" } },
      edge: { bind: addressOf(lab, "gateway") },
      clients: [{ name: "tester" }],
      imageMirror: registryOf(lab),
      gateway: { drainSeconds: 10 },
    };
    this.providers = {
      llama: {
        type: "llama_cpp",
        engine: { model: { path: MODEL_PATH }, context_length: 512, parallel: 2, threads: 1, memory_mib: 512 },
        models: [{ name: "tiny" }],
      },
      cloud: {
        type: "openai",
        url: `${upstreamOf(lab)}/v1`,
        api_key: "${OPENAI_API_KEY}",
        timeouts: { total_seconds: 60 },
        models: [{ name: "gpt-4o" }, { name: "gpt-4o-mini" }],
      },
    };
    this.mappings = {
      exact_matches: {
        tiny: { provider: "llama", fallback_chain: ["gpt-4o-mini"] },
        "gpt-4o": { provider: "cloud" },
        "gpt-4o-mini": { provider: "cloud" },
      },
    };
  }

  /** Makes the project folder and the stack. */
  async make(): Promise<void> {
    const { project, name } = this.stack;
    await rm(project, { recursive: true, force: true });
    await mkdir(join(project, "config", name), { recursive: true });
    await symlink(join(PROJECT_DIR, "node_modules"), join(project, "node_modules"));
    await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", main: "index.ts" }));
    await writeFile(join(project, "index.ts"), `export * from ${JSON.stringify(join(PROJECT_DIR, "index.ts"))};\n`);
    const own = await readFile(join(PROJECT_DIR, "Pulumi.yaml"), "utf8");
    await writeFile(join(project, "Pulumi.yaml"), own.replace("./tools/", `${PROJECT_DIR}/tools/`));
    await writeEnvironment(this.lab);
    await this.write();
    await ensureStack(this.stack);
    const set = await pulumi(this.stack, [
      "config",
      "set",
      "--secret",
      "OPENAI_API_KEY",
      this.upstreamKey,
      "--stack",
      name,
    ]);
    if (set.exitCode !== 0) throw new Error(set.all ?? "");
  }

  /** Writes the settings as they are now; the secrets in the stack file stay. */
  async write(): Promise<void> {
    const { project, name } = this.stack;
    const file = join(project, `Pulumi.${name}.yaml`);
    const kept = await readFile(file, "utf8").catch(() => "");
    const salt = /^encryptionsalt: .*$/m.exec(kept)?.[0] ?? "";
    const secret = /^ {2}ai-backend:OPENAI_API_KEY:\n {4}secure: .*$/m.exec(kept)?.[0] ?? "";
    const config = Object.fromEntries(
      Object.entries(this.settings).map(([key, value]) => [`ai-backend:${key}`, value]),
    );
    const lines = stringify({ config }, { lineWidth: 0 });
    await writeFile(file, `${salt}\n${lines}${secret}\n`);
    await writeFile(join(project, "config", name, "providers.yaml"), stringify({ providers: this.providers }));
    await writeFile(
      join(project, "config", name, "model-mappings.yaml"),
      stringify({ routing: this.mappings, ...this.besides }),
    );
  }

  run(verb: "up" | "preview" | "destroy" | "cancel" | "refresh", ...args: string[]) {
    const skip = verb === "up" ? ["--yes", "--skip-preview"] : verb === "preview" ? [] : ["--yes"];
    return pulumi(this.stack, [verb, ...skip, ...args, "--stack", this.stack.name, "--color", "never"]);
  }

  /** An update that must succeed; its whole output. */
  async up(): Promise<string> {
    await this.write();
    const result = await this.run("up");
    if (result.exitCode !== 0) throw new Error(`pulumi up failed:\n${result.all}`);
    return result.all ?? "";
  }

  async outputs(): Promise<{ url: string; clientKeys: Record<string, string>; models: string[] }> {
    const result = await pulumi(this.stack, [
      "stack",
      "output",
      "--json",
      "--show-secrets",
      "--stack",
      this.stack.name,
    ]);
    return JSON.parse(result.stdout);
  }

  async state(): Promise<Data> {
    return JSON.parse((await pulumi(this.stack, ["stack", "export", "--stack", this.stack.name])).stdout);
  }
}
