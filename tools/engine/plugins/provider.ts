import type { Properties } from "./wire.ts";

/** What Check answers: the inputs with defaults filled in, or what is wrong with them. */
export interface Checked {
  inputs: Properties;
  failures: { property: string; reason: string }[];
}

export type DiffKind = "ADD" | "ADD_REPLACE" | "DELETE" | "DELETE_REPLACE" | "UPDATE" | "UPDATE_REPLACE";

/** What Diff answers; `detailed` left out: the plugin gives no detailed diff. */
export interface Difference {
  changes: "DIFF_UNKNOWN" | "DIFF_NONE" | "DIFF_SOME";
  replaces: string[];
  diffs: string[];
  deleteBeforeReplace: boolean;
  detailed?: Record<string, { kind: DiffKind; inputDiff?: boolean }>;
  hasDetailedDiff: boolean;
}

export interface Existing {
  id: string;
  properties: Properties;
  inputs: Properties;
}

/** One call's surroundings. */
export interface Context {
  urn: string;
  /** The resource's own name: the last part of the URN. */
  name: string;
  preview: boolean;
  ignoreChanges: string[];
  autonaming?: { proposedName: string; mode: number };
  /** Aborted when the engine cancels (Ctrl-C). */
  signal: AbortSignal;
  log(severity: "info" | "warning" | "error", message: string): void;
}

/** One resource type of a provider. */
export interface ResourceType {
  check(olds: Properties, news: Properties, context: Context): Promise<Checked> | Checked;
  diff(existing: Existing, news: Properties, context: Context): Difference;
  create(inputs: Properties, context: Context): Promise<{ id: string; properties: Properties }>;
  /** An empty id in the answer: the resource is gone. */
  read(existing: Existing, context: Context): Promise<Existing>;
  update(existing: Existing, news: Properties, context: Context): Promise<Properties>;
  delete(existing: Existing, context: Context): Promise<void>;
}

/** What one plugin is: its name, the real plugin's version it stands in for, its types. */
export interface Provider {
  readonly name: string;
  readonly version: string;
  readonly capabilities: { secrets: boolean; resources: boolean; outputs: boolean; autonaming: boolean };
  readonly types: Record<string, ResourceType>;
  unknownType(token: string): ProviderError;
  checkConfig(news: Properties): Checked;
  diffConfig(olds: Properties, news: Properties): Difference;
  configure(config: Properties): Promise<void>;
}

/** An error the engine is told about by its gRPC code. */
export class ProviderError extends Error {
  constructor(
    readonly code: "UNKNOWN" | "UNIMPLEMENTED" | "NOT_FOUND" | "DEADLINE_EXCEEDED" | "INVALID_ARGUMENT",
    message: string,
    /** Set when the resource exists all the same: the engine keeps it, as incomplete. */
    readonly partial?: Existing,
  ) {
    super(message);
  }
}

export const NO_CHANGE: Difference = {
  changes: "DIFF_NONE",
  replaces: [],
  diffs: [],
  deleteBeforeReplace: false,
  detailed: {},
  hasDetailedDiff: true,
};
