import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Host } from "../host/host.ts";
import { digestOf } from "./digest.ts";
import { renderBundle, renderEnvFile } from "./render-bundle.ts";

export interface Port {
  /** Address of the host to publish on. */
  ip: string;
  external: number;
  internal: number;
}

export interface Mount {
  hostPath: pulumi.Input<string>;
  containerPath: string;
  readOnly?: boolean;
}

export interface Healthcheck {
  /** Program and arguments, run inside the container. */
  command: string[];
  intervalSeconds: number;
  timeoutSeconds: number;
  /** How long the whole start may take, seconds. */
  readyWithinSeconds: number;
}

export interface ServiceArgs {
  host: Host;
  image: string;
  /** Who the container runs as; owns its files and secrets. Never root. */
  uid: number;
  /** Shell text that becomes the process: use `exec`. The secrets are in its environment. */
  start: string;
  /** Text files by name, mounted read-only at `filesAt`. */
  files?: Record<string, pulumi.Input<string>>;
  filesAt?: string;
  /** Secret environment variables: in a file only the container's user reads, never in `docker inspect`. */
  secrets?: Record<string, pulumi.Input<string>>;
  env?: Record<string, string>;
  /** Folders made on the host before the container: name → mode, mounted read-write. */
  folders?: Record<string, { mode: string; containerPath: string }>;
  mounts?: Mount[];
  network?: { network: docker.Network; aliases: string[] };
  ports?: Port[];
  /** GPUs: all, how many, or which. */
  gpus?: "all" | number | readonly (number | string)[];
  /** Size of /dev/shm, MiB. Default: Docker's, 64. */
  sharedMemoryMiB?: number;
  /** `host`: the host's own IPC namespace. Default: one of its own. */
  ipc?: "private" | "host";
  /** What must be on the host before the container starts. */
  after?: readonly pulumi.Resource[];
  /** Settings of the kernel for the container's own network: name → value. */
  sysctls?: Record<string, string>;
  /** Options of its name resolver, as `timeout:1`. */
  dnsOptions?: string[];
  /** Writable memory file systems: path → mount options. */
  tmpfs?: Record<string, string>;
  memoryMiB: number;
  /** Processes and threads at most. */
  pids: number;
  healthcheck: Healthcheck;
  /** Time to finish its work when it is stopped, seconds. */
  graceSeconds: number;
  /**
   * `beside`: the new container is made and proven before the old one goes; it may have no
   * published port. `inPlace`: the old one goes first.
   */
  replacement: "beside" | "inPlace";
  /**
   * The service reads its files again by itself: they are mounted through `current`, and a
   * change of them makes no new container. `activate` moves `current`, checked.
   */
  reloads?: boolean;
}

/** As `docker run --gpus` takes it: a list of ids has commas, so it is quoted. */
const gpusOf = (gpus: NonNullable<ServiceArgs["gpus"]>) =>
  typeof gpus === "object" ? `"device=${gpus.join(",")}"` : String(gpus);

/** What Docker may keep of a container's output. */
const LOGS = { "max-size": "10m", "max-file": "3" };

/** One deployed thing: files → secrets → container → proof of health. */
export class Service extends pulumi.ComponentResource {
  readonly service: string;
  readonly container: docker.Container;
  /** Digest of the files, for names. */
  readonly release: pulumi.Output<string>;
  /** Done when the container is healthy; depend on it to come after that. */
  readonly ready: pulumi.Resource;

  constructor(type: string, name: string, args: ServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super(type, name, { image: args.image, host: args.host.hostName }, opts);
    this.service = name;
    const { host, uid } = args;
    const base = `${host.dataDir}/${name}`;
    const remove = { delete: `remove ${name}` };
    const before: pulumi.Resource[] = [...(args.after ?? [])];
    const volumes: docker.types.input.ContainerVolume[] = (args.mounts ?? []).map((mount) => ({
      ...mount,
      readOnly: mount.readOnly ?? true,
    }));

    // Files
    const bundle = pulumi.all(args.files ?? {}).apply(renderBundle);
    this.release = bundle.apply(digestOf);
    if (args.files) {
      const step = { create: pulumi.interpolate`release ${name} ${this.release} ${uid}`, stdin: bundle, ...remove };
      before.push(host.step(`${name}-files`, step, { parent: this }));
      const mounted = args.reloads ? base : pulumi.interpolate`${base}/releases/${this.release}`;
      volumes.push({ hostPath: mounted, containerPath: args.filesAt ?? "/config", readOnly: true });
    }
    if (args.reloads && args.files) {
      const image = host.image(args.image);
      const create = pulumi.interpolate`activate ${name} ${this.release} ${image.name}`;
      // The files must be there, and the image that checks them.
      before.push(host.step(`${name}-activate`, { create }, { parent: this, dependsOn: [...before, image] }));
    }

    // Secrets
    const envFile = pulumi.all(args.secrets ?? {}).apply(renderEnvFile);
    // A digest of long random values: it gives nothing away, and names must be readable.
    const secretsDigest = pulumi.unsecret(envFile.apply((text) => digestOf(`${name}\n${text}`)));
    if (args.secrets) {
      const step = {
        create: pulumi.interpolate`secrets ${name} ${secretsDigest} ${uid}`,
        stdin: pulumi.secret(envFile),
        quiet: true,
      };
      const only = args.files ? {} : remove;
      before.push(host.step(`${name}-secrets`, { ...step, ...only }, { parent: this }));
      volumes.push({
        hostPath: pulumi.interpolate`${base}/secrets/${secretsDigest}.env`,
        containerPath: "/run/secrets/env",
        readOnly: true,
      });
    }
    for (const [i, [folder, { mode, containerPath }]] of Object.entries(args.folders ?? {}).entries()) {
      const step = { create: `folder ${name} ${folder} ${uid} ${mode}` };
      // Whoever comes first takes the service's folder away with it.
      const only = args.files || args.secrets || i > 0 ? {} : remove;
      before.push(host.step(`${name}-folder-${folder}`, { ...step, ...only }, { parent: this }));
      volumes.push({ hostPath: `${base}/${folder}`, containerPath, readOnly: false });
    }

    // Container
    const image = host.image(args.image);
    const start = args.secrets ? `set -a; . /run/secrets/env; set +a; ${args.start}` : args.start;
    const spec = {
      image: image.repoDigest.apply((digest) => digest || args.image),
      entrypoints: ["/bin/sh", "-ec"],
      command: [start],
      envs: Object.entries(args.env ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .sort(),
      user: `${uid}:${uid}`,
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      memory: args.memoryMiB,
      // The same: no swap. Left out, the daemon's own choice would show as a change for ever.
      memorySwap: args.memoryMiB,
      restart: "unless-stopped",
      tmpfs: args.tmpfs ?? {},
      ...(args.sysctls && { sysctls: args.sysctls }),
      ...(args.dnsOptions && { dnsOpts: args.dnsOptions }),
      logDriver: "json-file",
      logOpts: LOGS,
      destroyGraceSeconds: args.graceSeconds,
      healthcheck: {
        tests: ["CMD", ...args.healthcheck.command],
        interval: `${args.healthcheck.intervalSeconds}s`,
        timeout: `${args.healthcheck.timeoutSeconds}s`,
        startPeriod: `${args.healthcheck.readyWithinSeconds}s`,
        retries: 3,
      },
      volumes,
      ...(args.network && { networksAdvanced: [{ name: args.network.network.name, aliases: args.network.aliases }] }),
      ...(args.ports && { ports: args.ports.map((port) => ({ ...port, protocol: "tcp" })) }),
      ...(args.gpus && { gpus: gpusOf(args.gpus) }),
      ...(args.sharedMemoryMiB && { shmSize: args.sharedMemoryMiB }),
      ...(args.ipc === "host" && { ipcMode: "host" }),
    };
    // Names the whole specification: several of its parts, when changed, would alter the
    // provider's state and never the container; a changed label always makes a new one.
    const digest = pulumi.output({ ...spec, pids: args.pids }).apply(digestOf);
    this.container = new docker.Container(
      name,
      {
        ...spec,
        labels: [
          { label: "ai-backend.service", value: name },
          { label: "ai-backend.spec", value: digest },
          { label: "ai-backend.stack", value: host.stack },
        ],
        ...(args.replacement === "inPlace" && { name: `ai-backend-${name}` }),
        wait: false, // it would wait out its whole timeout for a container that has ended; `ready` does not
      },
      {
        parent: this,
        provider: host.provider,
        deleteBeforeReplace: args.replacement === "inPlace",
        // Files and secrets must lie there before it starts; only their paths are in its arguments.
        dependsOn: before,
      },
    );

    // Proof
    const seconds = args.healthcheck.readyWithinSeconds;
    const create = pulumi.interpolate`ready ${this.container.id} ${seconds} ${args.pids}`;
    this.ready = host.step(`${name}-ready`, { create }, { parent: this });
    this.registerOutputs({});
  }
}
