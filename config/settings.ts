import type { Problem } from "./problems.ts";
import type { RoutingTable } from "./routing-table.ts";
import type { Mappings } from "./schema/mappings.ts";
import type { ProviderSettings } from "./schema/providers.ts";
import type { StackSettings } from "./schema/stack.ts";

/** Everything a deployment is made from, checked. Secrets are named here, never held. */
export interface Settings extends StackSettings {
  stack: string;
  /** Folder of providers.yaml and model-mappings.yaml, relative to the project. */
  configDir: string;
  providers: Record<string, ProviderSettings>;
  mappings: Mappings;
  /** Who answers which name. */
  table: RoutingTable;
  /** Pinned host key of each ssh host, in the form of an authorized_keys line. */
  hostKeys: Record<string, string>;
  /** Names of the stack secrets that providers refer to. */
  secretNames: string[];
  /** What is legal and probably not meant. */
  warnings: Problem[];
}
