import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The checkout this program lives in. */
export const PROJECT_DIR = resolve(import.meta.dirname, "../..");

/**
 * Where everything that takes long to build is kept, by version, outside the checkout.
 * `AI_BACKEND_CACHE`, else `$XDG_CACHE_HOME/ai-backend`, else `~/.cache/ai-backend`.
 */
export const CACHE_DIR =
  process.env.AI_BACKEND_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "ai-backend");

/** The lab's own folder: keys, disks, state. Ignored by git. */
export const LAB_DIR = process.env.AI_BACKEND_LAB ?? join(PROJECT_DIR, ".lab");

/** The Pulumi home of this project, so that a stand-in can never shadow a real plugin in `~/.pulumi`. */
export const PULUMI_HOME = join(LAB_DIR, "pulumi-home");
