import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { HostSettings, SshHostSettings } from "../../config/schema/stack.ts";
import { type SshAccess, sshOptions } from "./ssh-options.ts";

export interface HostArgs {
  settings: HostSettings;
  /** Pinned key of an ssh host, as `type base64`. */
  hostKey?: string;
  /** How ssh hosts are reached; needed for one. */
  access?: SshAccess;
  /** The private key's text, for the command provider; left out: the agent that SSH_AUTH_SOCK names. */
  privateKey?: pulumi.Input<string>;
  /** The host to go through, when the settings name a bastion. */
  bastion?: { settings: SshHostSettings; hostKey: string };
  /** Folder of releases and secrets on the host. */
  dataDir: string;
  /** Text of the tool that does a deployment's steps on the host. */
  tool: string;
  /** Text of the tool that brings models. */
  modelTool: string;
  /** Added to the labels of everything made here. */
  stack: string;
}

/** One remote or local step. Scripts must bear being run again: any change of theirs runs `create` again. */
export interface Step {
  create: pulumi.Input<string>;
  delete?: pulumi.Input<string>;
  stdin?: pulumi.Input<string>;
  /** Keeps what the step prints out of the engine's log. */
  quiet?: boolean;
  /** Whose verb it is. Default: the host's own tool. */
  tool?: "host" | "models";
}

type Connection = command.types.input.remote.ConnectionArgs;

/** How often, and how long, a connection is tried: an update must not hang on a host that went away. */
const DIAL = { dialErrorLimit: 2, perDialTimeout: 5 };

/** One machine: over SSH with a pinned host key, or this one. */
export class Host extends pulumi.ComponentResource {
  readonly hostName: string;
  readonly settings: HostSettings;
  readonly provider: docker.Provider;
  readonly dataDir: string;
  readonly stack: string;
  readonly #connection?: Connection;
  readonly #tool: pulumi.Resource;
  readonly #modelToolText: string;
  readonly #images = new Map<string, docker.RemoteImage>();
  readonly #models = new Map<string, pulumi.Resource>();
  #modelTool?: pulumi.Resource;
  #modelToken?: pulumi.Resource;

  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    const { settings, dataDir } = args;
    super("ai-backend:host:Host", name, { kind: settings.kind, address: settings.address, dataDir }, opts);
    this.hostName = name;
    this.settings = settings;
    this.dataDir = dataDir;
    this.stack = args.stack;
    if (settings.kind === "ssh") this.#connection = connectionOf(settings, args);

    const { access, bastion } = args;
    this.provider = new docker.Provider(
      `${name}-docker`,
      settings.kind === "ssh" && access
        ? {
            host: `ssh://${settings.user}@${settings.address}:${settings.port}`,
            sshOpts: sshOptions(access, settings, bastion?.settings),
          }
        : { host: "unix:///var/run/docker.sock" },
      { parent: this },
    );
    this.#modelToolText = args.modelTool;
    const bin = `${dataDir}/bin`;
    this.#tool = this.run(`${name}-tool`, {
      create: this.#install("host"),
      delete: `rm -rf ${bin}; rmdir ${dataDir} 2>/dev/null || true`,
      stdin: args.tool,
    });
    this.registerOutputs({});
  }

  /** Writes a tool from stdin. */
  #install(tool: string): string {
    const bin = `${this.dataDir}/bin`;
    const file = `${bin}/${tool}`;
    return `install -d -m 755 ${this.dataDir} ${bin} && cat > ${file}.new && chmod 755 ${file}.new && mv -f ${file}.new ${file}`;
  }

  /** A command on the host. */
  run(name: string, step: Step, opts?: pulumi.CustomResourceOptions): command.local.Command | command.remote.Command {
    const { quiet, tool: _, ...commands } = step;
    const args = { ...commands, addPreviousOutputInEnv: false, ...(quiet && { logging: "none" as const }) };
    const options = pulumi.mergeOptions({ parent: this }, opts);
    return this.#connection
      ? new command.remote.Command(name, { ...args, connection: this.#connection }, options)
      : new command.local.Command(name, { ...args, interpreter: ["/bin/bash", "-c"] }, options);
  }

  /** One verb of a tool of the host. */
  step(name: string, step: Step, opts?: pulumi.CustomResourceOptions) {
    const which = step.tool ?? "host";
    const tool = (verb: pulumi.Input<string>) => pulumi.interpolate`${this.dataDir}/bin/${which} ${verb}`;
    const verbs = { ...step, create: tool(step.create), ...(step.delete && { delete: tool(step.delete) }) };
    if (which === "models") {
      this.#modelTool ??= this.run(
        `${this.hostName}-model-tool`,
        // Gone with the last engine that had anything fetched, and then what was fetched goes, too.
        {
          create: this.#install("models"),
          stdin: this.#modelToolText,
          delete: `rm -rf ${this.dataDir}/bin/models ${this.dataDir}/models`,
        },
        { dependsOn: [this.#tool] }, // it makes the folder, and takes it away at last
      );
    }
    const needs = which === "models" ? this.#modelTool : this.#tool;
    // The verbs need the tool, and nothing of its output says so.
    return this.run(name, verbs, pulumi.mergeOptions({ dependsOn: needs ? [needs] : [] }, opts));
  }

  /**
   * A model's file or folder on this host, fetched once however many engines use it. It stays when it
   * is no longer used: a rollback must not wait for a download.
   */
  model(name: string, verb: pulumi.Input<string>, token?: pulumi.Output<string>): pulumi.Resource {
    const known = this.#models.get(name);
    if (known) return known;
    if (token) {
      const stdin = pulumi.secret(pulumi.interpolate`header = "authorization: Bearer ${token}"\n`);
      this.#modelToken ??= this.step(`${this.hostName}-model-token`, {
        create: "token",
        stdin,
        quiet: true,
        tool: "models",
      });
    }
    const short = name.replace(/^sha256\/([0-9a-f]{8})[0-9a-f]*\//, "$1-").replace(/[^A-Za-z0-9.-]/g, "-");
    const dependsOn = this.#modelToken ? [this.#modelToken] : [];
    const fetched = this.step(`${this.hostName}-model-${short}`, { create: verb, tool: "models" }, { dependsOn });
    this.#models.set(name, fetched);
    return fetched;
  }

  /** An image on this host, pulled once however many services use it. */
  image(reference: string): docker.RemoteImage {
    const known = this.#images.get(reference);
    if (known) return known;
    const short = reference
      .replace(/^.*\//, "")
      .replace(/@sha256:([0-9a-f]{8}).*/, "-$1")
      .replace(/[^A-Za-z0-9.-]/g, "-");
    const image = new docker.RemoteImage(
      `${this.hostName}-image-${short}`,
      // Kept when it is no longer used: a rollback must not wait for a registry.
      { name: reference, keepLocally: true },
      { parent: this, provider: this.provider },
    );
    this.#images.set(reference, image);
    return image;
  }
}

function connectionOf(settings: SshHostSettings, args: HostArgs): Connection {
  const { bastion } = args;
  // Field by field: an unknown field would make the provider print the whole connection.
  // No agentSocketPath: it is another at every login, and would show as a change of every command.
  const login = args.privateKey !== undefined ? { privateKey: pulumi.secret(args.privateKey) } : {};
  return {
    host: settings.address,
    port: settings.port,
    user: settings.user,
    hostKey: args.hostKey,
    ...login,
    ...DIAL,
    ...(bastion && {
      proxy: {
        host: bastion.settings.address,
        port: bastion.settings.port,
        user: bastion.settings.user,
        hostKey: bastion.hostKey,
        ...login,
        ...DIAL,
      },
    }),
  };
}
