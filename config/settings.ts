import type { Mappings } from "./schema/mappings.ts";
import type { ProviderSettings } from "./schema/providers.ts";
import type { StackSettings } from "./schema/stack.ts";

/** Everything a deployment is made from, checked. Secrets are named here, never held. */
export interface Settings extends Omit<StackSettings, "configDir"> {
  stack: string;
  providers: Record<string, ProviderSettings>;
  routing: Mappings["routing"];
  /** Pinned host key of each ssh host, in the form of an authorized_keys line. */
  hostKeys: Record<string, string>;
  /** Names of the stack secrets that providers refer to. */
  secretNames: string[];
}
