/** Puts provider plugins into the project's Pulumi home: the real ones, else the stand-ins. */
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { execa } from "execa";
import { downloadsReachable, type Engine, exists } from "./engine.ts";
import { PULUMI_HOME } from "./paths.ts";
import { PLUGINS, type PluginName } from "./versions.ts";

export interface Plugin {
  name: PluginName;
  version: string;
  kind: "real" | "stand-in";
  why: string;
  path: string;
}

const folderOf = (name: PluginName) => `resource-${name}-v${PLUGINS[name]}`;

/** One file of JavaScript: starts in a fraction of the time that the sources would take. */
async function bundle(name: PluginName): Promise<string> {
  const result = await build({
    entryPoints: [join(import.meta.dirname, "plugins", name, "main.ts")],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    write: false,
    minify: true,
    keepNames: true,
    legalComments: "none",
    external: ["cpu-features", "*.node"],
    // docker-modem would load a whole SSH library that the docker plugin, which runs `ssh`, never uses.
    ...(name === "docker" && { alias: { ssh2: join(import.meta.dirname, "plugins", "docker", "no-ssh2.ts") } }),
    logLevel: "error",
  });
  return result.outputFiles[0]?.text ?? "";
}

/** Writes a stand-in as a plugin folder; nothing happens when the same one is there. */
export async function installStandIn(name: PluginName, home: string): Promise<string> {
  const folder = join(home, "plugins", folderOf(name));
  const code = await bundle(name);
  const digest = createHash("sha256").update(code).digest("hex");
  const marker = join(folder, "STAND-IN");
  if ((await readFile(marker, "utf8").catch(() => "")).includes(digest)) return folder;
  const fresh = `${folder}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  await writeFile(join(fresh, "plugin.cjs"), code);
  const launcher = join(fresh, `pulumi-resource-${name}`);
  // A small heap and a single pool thread: there is one such process for each host.
  const node = "exec node --max-old-space-size=128 --max-semi-space-size=2";
  await writeFile(launcher, `#!/bin/sh\n${node} "$(dirname "$(readlink -f "$0")")/plugin.cjs" "$@"\n`);
  await chmod(launcher, 0o755);
  await writeFile(
    join(fresh, "STAND-IN"),
    `A simulation of the "${name}" plugin v${PLUGINS[name]}, for lab and test stacks only.\nsha256 ${digest}\n`,
  );
  await rm(folder, { recursive: true, force: true });
  await rename(fresh, folder);
  return folder;
}

async function realInUserHome(name: PluginName): Promise<string | undefined> {
  const folder = join(homedir(), ".pulumi", "plugins", folderOf(name));
  return (await exists(join(folder, `pulumi-resource-${name}`))) ? folder : undefined;
}

async function ensurePlugin(name: PluginName, engine: Engine, reachable: () => Promise<boolean>): Promise<Plugin> {
  const version = PLUGINS[name];
  const path = join(PULUMI_HOME, "plugins", folderOf(name));
  const standIn = await exists(join(path, "STAND-IN"));
  if ((await exists(path)) && !standIn) return { name, version, kind: "real", why: "installed", path };
  const own = await realInUserHome(name);
  if (own) {
    await rm(path, { recursive: true, force: true });
    await mkdir(join(PULUMI_HOME, "plugins"), { recursive: true });
    await symlink(own, path);
    return { name, version, kind: "real", why: "found in ~/.pulumi", path };
  }
  if (!standIn && (await reachable())) {
    const args = ["plugin", "install", "resource", name, `v${version}`];
    await execa(join(engine.bin, "pulumi"), args, { env: { PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK: "true" } });
    return { name, version, kind: "real", why: "official download", path };
  }
  await installStandIn(name, PULUMI_HOME);
  return { name, version, kind: "stand-in", why: "the official download cannot be reached", path };
}

export async function ensurePlugins(engine: Engine): Promise<Plugin[]> {
  let answer: Promise<boolean> | undefined;
  const reachable = () => {
    answer ??= downloadsReachable();
    return answer;
  };
  return Promise.all((Object.keys(PLUGINS) as PluginName[]).map((name) => ensurePlugin(name, engine, reachable)));
}
