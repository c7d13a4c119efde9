/** The lab's model: random weights, made here, under 1 MB, the same bytes every time. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { exists } from "../tools/engine/engine.ts";
import { CACHE_DIR } from "../tools/engine/paths.ts";
import { inHost } from "./hosts.ts";
import type { LabSettings } from "./settings.ts";

/** Where a lab host keeps it; `config/lab/providers.yaml` names it. */
export const MODEL_PATH = "/srv/models/tiny-random.gguf";
const SCRIPT = join(import.meta.dirname, "tiny_gguf.py");
const REQUIREMENTS = ["gguf==0.17.1", "numpy==2.2.6"];

export async function makeModel(): Promise<string> {
  const key = createHash("sha256")
    .update(await readFile(SCRIPT))
    .update(REQUIREMENTS.join())
    .digest("hex")
    .slice(0, 16);
  const file = join(CACHE_DIR, "models", `tiny-random-${key}.gguf`);
  if (await exists(file)) return file;
  const venv = join(CACHE_DIR, "models", "venv");
  await mkdir(join(CACHE_DIR, "models"), { recursive: true });
  await execa("python3", ["-m", "venv", venv]);
  await execa(join(venv, "bin", "pip"), ["install", "--quiet", ...REQUIREMENTS]);
  await execa(join(venv, "bin", "python"), [SCRIPT, `${file}.new`, "7"]);
  await rename(`${file}.new`, file);
  return file;
}

/** Lays the model down in a host, unless the same bytes are there. */
export async function installModel(lab: LabSettings, host: string, file: string): Promise<void> {
  const content = await readFile(file);
  const sum = createHash("sha256").update(content).digest("hex");
  const there = await inHost(lab, host, `sha256sum ${MODEL_PATH} 2>/dev/null | cut -d' ' -f1 || true`);
  if (there.trim() === sum) return;
  const folder = MODEL_PATH.replace(/\/[^/]*$/, "");
  const write = `mkdir -p ${folder}; base64 -d > ${MODEL_PATH}.new; mv ${MODEL_PATH}.new ${MODEL_PATH}; chmod 644 ${MODEL_PATH}`;
  await inHost(lab, host, write, content.toString("base64"));
}
