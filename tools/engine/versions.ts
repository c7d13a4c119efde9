import manifest from "../../package.json" with { type: "json" };

/** The engine: the CLI that the npm package `pulumi` of this version would download. */
export const ENGINE = manifest.devDependencies.pulumi;

/** The language host, its own Go module; newer ones are not published as modules. */
export const LANGUAGE_HOST = "3.68.0";

/** Provider plugins, at the versions of their SDKs. */
export const PLUGINS = {
  command: manifest.dependencies["@pulumi/command"],
  docker: manifest.dependencies["@pulumi/docker"],
  random: manifest.dependencies["@pulumi/random"],
} as const;

export type PluginName = keyof typeof PLUGINS;
