/** Finds, downloads or builds the Pulumi engine. */
import { access, mkdir, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { CACHE_DIR, PROJECT_DIR, PULUMI_HOME } from "./paths.ts";
import { ENGINE, LANGUAGE_HOST } from "./versions.ts";

export type Say = (message: string) => void;

export interface Engine {
  /** Folder that holds `pulumi` and its language host. */
  bin: string;
  origin: "already present" | "official download" | "built from the Go module";
  version: string;
}

/** Where the npm package `pulumi` looks for the engine, so that `npx pulumi` is it. */
const WRAPPER_BIN = join(PULUMI_HOME, "versions", ENGINE, "bin");
/** The oldest engine that runs this program: the version of its SDK. */
const FLOOR = [3, 248, 0];
const REACHABLE_MS = 4000;

export const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Whether Pulumi's own downloads can be reached from here. */
export async function downloadsReachable(): Promise<boolean> {
  try {
    const url = `https://get.pulumi.com/releases/sdk/pulumi-v${ENGINE}-linux-x64.tar.gz`;
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(REACHABLE_MS) });
    return response.ok;
  } catch {
    return false;
  }
}

async function versionOf(bin: string): Promise<string | undefined> {
  const result = await execa(join(bin, "pulumi"), ["version"], {
    reject: false,
    timeout: 20_000,
    env: { PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_HOME },
  });
  return /^v?(\d+\.\d+\.\d+)/.exec(result.stdout ?? "")?.[1];
}

function newEnough(version: string): boolean {
  const [a = 0, b = 0, c = 0] = version.split(".").map(Number);
  const [x = 0, y = 0, z = 0] = FLOOR;
  return a === x && (b > y || (b === y && c >= z));
}

/** An engine on the PATH or in the user's own Pulumi home, with its language host beside it. */
async function present(): Promise<Engine | undefined> {
  const folders = [
    join(homedir(), ".pulumi", "versions", ENGINE, "bin"),
    join(homedir(), ".pulumi", "bin"),
    ...(process.env.PATH ?? "").split(":"),
  ].filter((folder) => folder.startsWith("/") && !folder.includes("node_modules") && !folder.startsWith(PULUMI_HOME));
  for (const bin of new Set(folders)) {
    if (!(await exists(join(bin, "pulumi"))) || !(await exists(join(bin, "pulumi-language-nodejs")))) continue;
    const version = await versionOf(bin);
    if (version && newEnough(version)) return { bin, origin: "already present", version };
  }
  return undefined;
}

async function download(): Promise<Engine | undefined> {
  const bin = join(CACHE_DIR, "pulumi", "versions", ENGINE, "bin");
  if (!(await exists(join(bin, "pulumi")))) {
    if (!(await downloadsReachable())) return undefined;
    const env = { PULUMI_HOME: join(CACHE_DIR, "pulumi"), PULUMI_SKIP_UPDATE_CHECK: "true" };
    await execa("node", ["node_modules/pulumi/run.js", "version"], { cwd: PROJECT_DIR, env, timeout: 600_000 });
  }
  return { bin, origin: "official download", version: ENGINE };
}

/** Builds one program of a Go module at an exact version, in a module of its own (`go install` refuses replace lines). */
async function goBuild(module: string, version: string, out: string, ldflags: string): Promise<void> {
  const work = `${out}.build`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const go = (...args: string[]) =>
    execa("go", args, { cwd: work, env: { GOFLAGS: "-buildvcs=false", GOTOOLCHAIN: "local" } });
  await go("mod", "init", "engine-build");
  await go("get", `${module}@v${version}`);
  await go("build", "-p", "2", "-ldflags", `-s -w ${ldflags}`, "-o", `${out}.new`, module);
  await rename(`${out}.new`, out);
  await rm(work, { recursive: true, force: true });
}

/**
 * This language host is older than the engine: it takes the runtime options of Pulumi.yaml
 * as flags, and the engine no longer passes them that way.
 */
const LAUNCHER = `#!/bin/sh
dir=$PWD
while [ "$dir" != / ] && [ ! -e "$dir/Pulumi.yaml" ]; do dir=$(dirname "$dir"); done
option() { sed -n "s/^ *$1: *//p" "$dir/Pulumi.yaml" 2>/dev/null | head -1; }
exec "$(dirname "$(readlink -f "$0")")/pulumi-language-nodejs-real" \\
  -typescript="$(option typescript | grep . || echo true)" -nodeargs="$(option nodeargs)" "$@"
`;

async function build(say: Say): Promise<Engine> {
  const bin = join(CACHE_DIR, "engine", `v${ENGINE}`, "bin");
  await mkdir(bin, { recursive: true });
  const cli = join(bin, "pulumi");
  const host = join(bin, "pulumi-language-nodejs-real");
  if (!(await exists(cli)) || !(await exists(host))) {
    await execa("go", ["version"]).catch(() => {
      throw new Error(
        `no Pulumi engine: none is installed, its download cannot be reached, and there is no Go to build it with. Fix: install Go 1.25 or newer, or put pulumi v${ENGINE} on the PATH`,
      );
    });
  }
  if (!(await exists(cli))) {
    say(`building the Pulumi engine v${ENGINE} from its Go module (about 5 minutes, once)`);
    const stamp = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${ENGINE} -X github.com/pulumi/pulumi/pkg/v3/version.Version=v${ENGINE}`;
    await goBuild("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ENGINE, cli, stamp);
  }
  if (!(await exists(host))) {
    say(`building its Node.js language host v${LANGUAGE_HOST} (about a minute, once)`);
    const module = "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs";
    await goBuild(module, LANGUAGE_HOST, host, "");
  }
  await writeFile(join(bin, "pulumi-language-nodejs"), LAUNCHER, { mode: 0o755 });
  return { bin, origin: "built from the Go module", version: ENGINE };
}

/** The engine in use, made if need be, and put where `npx pulumi` finds it. */
export async function ensureEngine(say: Say): Promise<Engine> {
  const engine = (await present()) ?? (await built()) ?? (await download()) ?? (await build(say));
  const target = await readlink(WRAPPER_BIN).catch(() => undefined);
  if (target !== engine.bin) {
    await rm(WRAPPER_BIN, { recursive: true, force: true });
    await mkdir(dirname(WRAPPER_BIN), { recursive: true });
    await symlink(engine.bin, WRAPPER_BIN);
  }
  return engine;
}

/** One built earlier needs no look at the network. */
async function built(): Promise<Engine | undefined> {
  const bin = join(CACHE_DIR, "engine", `v${ENGINE}`, "bin");
  const whole = (await exists(join(bin, "pulumi"))) && (await exists(join(bin, "pulumi-language-nodejs")));
  return whole ? { bin, origin: "built from the Go module", version: ENGINE } : undefined;
}
