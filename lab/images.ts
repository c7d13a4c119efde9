/** The lab's images: built once for each recipe, kept by content, served by the lab's registry. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { exists } from "../tools/engine/engine.ts";
import { CACHE_DIR } from "../tools/engine/paths.ts";
import { startDaemon } from "./daemons.ts";
import { type LabSettings, registryOf } from "./settings.ts";

const RECIPES = join(import.meta.dirname, "images");
const STORE = join(CACHE_DIR, "registry");

export interface Image {
  recipe: string;
  /** The name production uses. */
  name: string;
  /** Digest of everything the image is made from. */
  key: string;
  layout: string;
}

/** Every recipe beside this file, with the key of its content. */
export async function images(): Promise<Image[]> {
  const files = await readdir(RECIPES);
  const builder = await readFile(join(RECIPES, "build.sh"));
  return Promise.all(
    files
      .filter((file) => file.endsWith(".recipe.sh"))
      .sort()
      .map(async (file) => {
        const recipe = file.replace(".recipe.sh", "");
        const text = await readFile(join(RECIPES, file), "utf8");
        const hash = createHash("sha256").update(builder).update(text);
        for (const other of files.filter((one) => one.startsWith(`${recipe}.`) && one !== file).sort()) {
          hash.update(await readFile(join(RECIPES, other)));
        }
        const key = hash.digest("hex").slice(0, 16);
        const name = /^IMAGE=(.+)$/m.exec(text)?.[1] ?? "";
        return { recipe, name, key, layout: join(CACHE_DIR, "images", `${recipe}-${key}`) };
      }),
  );
}

/** Builds an image unless it is in the cache. */
export async function buildImage(image: Image): Promise<"built" | "cached"> {
  if (await exists(image.layout)) return "cached";
  const log = `${image.layout}.log`;
  await mkdir(join(CACHE_DIR, "images"), { recursive: true });
  const result = await execa(join(RECIPES, "build.sh"), [join(RECIPES, `${image.recipe}.recipe.sh`), image.layout], {
    all: true,
    reject: false,
    env: { BUILD_CACHE: join(CACHE_DIR, "builds") },
  });
  await writeFile(log, result.all ?? "");
  if (result.exitCode !== 0) {
    throw new Error(
      `image ${image.name} did not build: ${(result.all ?? "").trim().split("\n").slice(-5).join("\n")}\n(all of it: ${log})`,
    );
  }
  return "built";
}

/** Runs the registry on the lab's bridge. All labs of this machine share its store. */
export async function startRegistry(lab: LabSettings): Promise<void> {
  const [host = "", port = ""] = registryOf(lab).split(":");
  const config = {
    version: 0.1,
    log: { level: "warn" },
    storage: { filesystem: { rootdirectory: STORE }, delete: { enabled: true } },
    http: { addr: registryOf(lab) },
  };
  const file = join(lab.dir, "registry.json");
  await mkdir(STORE, { recursive: true });
  await writeFile(file, JSON.stringify(config));
  await startDaemon(lab.dir, "registry", ["docker-registry", "serve", file], { host, port: Number(port) });
}

/** Puts an image into the registry, under production's name behind the mirror's address. */
export async function pushImage(lab: LabSettings, image: Image): Promise<"pushed" | "there"> {
  const marker = join(STORE, "pushed", `${image.recipe}-${image.key}`);
  if (await exists(marker)) return "there";
  const target = `docker://${registryOf(lab)}/${image.name}`;
  const result = await execa("skopeo", ["copy", "--dest-tls-verify=false", `oci:${image.layout}:image`, target], {
    reject: false,
  });
  if (result.exitCode !== 0) throw new Error(`image ${image.name} could not be pushed: ${result.stderr.trim()}`);
  await mkdir(join(STORE, "pushed"), { recursive: true });
  await writeFile(marker, image.name);
  return "pushed";
}
