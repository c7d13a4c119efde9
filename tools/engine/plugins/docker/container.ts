import type Docker from "dockerode";
import { pack } from "tar-stream";
import { type Context, type Existing, ProviderError, type ResourceType } from "../provider.ts";
import { isObject, type Properties, UNKNOWN, type Value } from "../wire.ts";
import { check, diff, type Property, plain } from "./bridge.ts";
import { createRequest, endpoint, resources } from "./container-spec.ts";
import { type Daemon, daemonSaid, failed, isGone, pause } from "./daemon.ts";
import { pulled } from "./image.ts";
import { CONTAINER } from "./schema.ts";

const MIB = 1024 * 1024;
type Info = Docker.ContainerInspectInfo;

/** Unknown in a preview unless given, and nothing else: recorded, not guessed. */
const UNKNOWN_IN_PREVIEW = new Set(
  "command entrypoints envs healthcheck hostname init ipcMode labels logDriver platform runtime securityOpts shmSize stopSignal stopTimeout".split(
    " ",
  ),
);
const EMPTY_LISTS = new Set(
  "deviceReadBps deviceReadIops deviceRequests deviceWriteBps deviceWriteIops devices hosts mounts networksAdvanced ports ulimits uploads volumes".split(
    " ",
  ),
);
const FALSE = new Set(["attach", "logs", "readOnly", "rm", "stdinOpen", "tty", "wait"]);

const emptyField = (field: Property): Value =>
  field.type === "string" ? "" : field.type === "strings" ? [] : field.type === "bool" ? false : null;

/** A nested input as the state has it; volumes and mounts leave an unset `readOnly` null. */
function nested(name: string, value: Value | undefined): Value {
  const property = CONTAINER[name] as Property;
  return plain(value, property, (field) => {
    if (
      name === "mounts" ||
      ((name === "volumes" || name === "networksAdvanced") && field.type !== "string" && field.type !== "strings")
    )
      return null;
    return emptyField(field);
  });
}

function previewState(inputs: Properties): Properties {
  const state: Properties = {};
  for (const name of Object.keys(CONTAINER)) {
    if (inputs[name] !== undefined) state[name] = nested(name, inputs[name]);
    else if (UNKNOWN_IN_PREVIEW.has(name)) state[name] = UNKNOWN;
    else if (EMPTY_LISTS.has(name)) state[name] = [];
    else if (FALSE.has(name)) state[name] = false;
    else state[name] = name === "memoryReservation" ? 0 : null;
  }
  for (const name of ["bridge", "containerLogs", "exitCode", "id", "networkDatas"]) state[name] = UNKNOWN;
  return state;
}

type When = "create" | "read";

function stateOf(inputs: Properties, info: Info, when: When, logs: string | null): Properties {
  const host = info.HostConfig as Info["HostConfig"] & Record<string, Value>;
  const config = info.Config as Info["Config"] & Record<string, Value>;
  const absent = (value: Value): Value => (when === "read" ? value : null);
  const ifAny = (values: string[] | null | undefined): Value => (values?.length ? values : absent([]));
  const ifMap = (values: Record<string, string> | null | undefined): Value =>
    values && Object.keys(values).length > 0 ? values : absent({});
  const given = (name: string) => (inputs[name] === undefined ? null : nested(name, inputs[name]));
  const running = info.State.Running;
  const networks = nested("networksAdvanced", inputs.networksAdvanced ?? []) as Properties[];
  const volumes = nested("volumes", inputs.volumes ?? []) as Properties[];
  const state: Properties = {
    attach: inputs.attach ?? false,
    bridge: (info.NetworkSettings as { Bridge?: string }).Bridge ?? "",
    capabilities: given("capabilities"),
    cgroupParent: given("cgroupParent"),
    cgroupnsMode: given("cgroupnsMode"),
    command: config.Cmd ?? [],
    containerLogs: logs,
    containerReadRefreshTimeoutMilliseconds: inputs.containerReadRefreshTimeoutMilliseconds ?? 15000,
    cpuPeriod: given("cpuPeriod"),
    cpuQuota: given("cpuQuota"),
    cpuSet: host.CpusetCpus ?? "",
    cpuShares: host.CpuShares ?? 0,
    cpus: given("cpus"),
    destroyGraceSeconds: given("destroyGraceSeconds"),
    deviceReadBps: [],
    deviceReadIops: [],
    deviceRequests: given("deviceRequests") ?? [],
    deviceWriteBps: [],
    deviceWriteIops: [],
    devices: given("devices") ?? [],
    dns: ifAny(host.Dns as string[]),
    dnsOpts: ifAny(host.DnsOptions as string[]),
    dnsSearches: ifAny(host.DnsSearch as string[]),
    domainname: config.Domainname ?? "",
    entrypoints: (config.Entrypoint as string[]) ?? [],
    envs: inputs.envs ?? [],
    exitCode: running ? null : info.State.ExitCode,
    gpus: given("gpus"),
    groupAdds: ifAny(host.GroupAdd as string[]),
    healthcheck: given("healthcheck"),
    hostname: config.Hostname,
    hosts: given("hosts") ?? [],
    id: info.Id,
    image: inputs.image ?? config.Image,
    init: when === "create" ? ((host.Init as boolean) ?? false) : (inputs.init ?? (host.Init as boolean) ?? false),
    ipcMode: host.IpcMode ?? "",
    labels: given("labels") ?? [],
    logDriver: host.LogConfig?.Type ?? "json-file",
    logOpts: ifMap(host.LogConfig?.Config),
    logs: inputs.logs ?? false,
    maxRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    memory: Number(host.Memory ?? 0) / MIB,
    memoryReservation: Number(host.MemoryReservation ?? 0) / MIB,
    memorySwap: Number(host.MemorySwap ?? 0) > 0 ? Number(host.MemorySwap) / MIB : (host.MemorySwap ?? 0),
    mounts: given("mounts") ?? [],
    mustRun: running ? (inputs.mustRun ?? true) : false,
    name: info.Name.replace(/^\//, ""),
    networkDatas: Object.entries(info.NetworkSettings.Networks).map(([networkName, one]) => ({
      gateway: one.Gateway,
      globalIpv6Address: one.GlobalIPv6Address,
      globalIpv6PrefixLength: one.GlobalIPv6PrefixLen,
      ipAddress: one.IPAddress,
      ipPrefixLength: one.IPPrefixLen,
      ipv6Gateway: one.IPv6Gateway,
      macAddress: one.MacAddress,
      networkName,
    })),
    // `docker inspect` says "default" on newer daemons; the state keeps what was asked.
    networkMode: inputs.networkMode ?? host.NetworkMode ?? "bridge",
    networksAdvanced:
      when === "create" ? networks : networks.map((one) => ({ ...one, gwPriority: one.gwPriority ?? 0 })),
    pidMode: given("pidMode"),
    platform: (info as Info & { Platform?: string }).Platform ?? "linux",
    ports: running ? portsOf(inputs, info) : [],
    privileged: host.Privileged ?? false,
    publishAllPorts: host.PublishAllPorts ?? false,
    readOnly: host.ReadonlyRootfs ?? false,
    removeVolumes: inputs.removeVolumes ?? true,
    restart: host.RestartPolicy?.Name || "no",
    rm: host.AutoRemove ?? false,
    runtime: (host.Runtime as string) ?? "runc",
    securityOpts: (host.SecurityOpt as string[]) ?? [],
    shmSize: Number(host.ShmSize ?? 0) / MIB,
    start: inputs.start ?? true,
    stdinOpen: config.OpenStdin ?? false,
    stopSignal: config.StopSignal ?? "",
    stopTimeout: config.StopTimeout ?? 0,
    storageOpts: absent({}),
    sysctls: ifMap(host.Sysctls as Record<string, string>),
    tmpfs: when === "create" ? ifMap(host.Tmpfs as Record<string, string>) : (given("tmpfs") ?? absent({})),
    tty: config.Tty ?? false,
    ulimits: given("ulimits") ?? [],
    uploads: given("uploads") ?? [],
    user: config.User ?? "",
    usernsMode: host.UsernsMode ?? "",
    volumes: when === "create" ? volumes : volumes.map((one) => ({ ...one, readOnly: one.readOnly ?? false })),
    wait: inputs.wait ?? false,
    waitTimeout: inputs.waitTimeout ?? 60,
    workingDir: config.WorkingDir ?? "",
  };
  return state;
}

/** The ports as asked, with the number the daemon chose where none was. */
function portsOf(inputs: Properties, info: Info): Value {
  const bound = info.NetworkSettings.Ports ?? {};
  return (Array.isArray(inputs.ports) ? inputs.ports : []).filter(isObject).map((port) => {
    const { internal = 0, protocol = "tcp", ip = "0.0.0.0", external } = port;
    const chosen = bound[`${internal}/${protocol}`]?.[0]?.HostPort;
    return { external: external ?? Number(chosen ?? 0), internal, ip, protocol };
  });
}

async function upload(container: Docker.Container, uploads: Value | undefined): Promise<void> {
  for (const one of (Array.isArray(uploads) ? uploads : []).filter(isObject)) {
    const archive = pack();
    const mode = one.permissions ? Number.parseInt(String(one.permissions), 8) : one.executable ? 0o744 : 0o644;
    const content = one.contentBase64
      ? Buffer.from(String(one.contentBase64), "base64")
      : Buffer.from(String(one.content ?? ""));
    archive.entry({ name: String(one.file).replace(/^\//, ""), mode }, content);
    archive.finalize();
    await container.putArchive(archive as unknown as NodeJS.ReadableStream, { path: "/" });
  }
}

/** The plugin's fixed pause before it believes a container runs. */
const SETTLE_MS = 500;

export function container(daemon: Daemon): ResourceType {
  async function healthy(one: Docker.Container, inputs: Properties): Promise<string | undefined> {
    if (!isObject(inputs.healthcheck) && !(await one.inspect()).Config.Healthcheck) {
      return "you have supplied a 'wait' argument, but the container does not have a healthcheck defined. Please remove the 'wait' argument or add a 'healthcheck' attribute";
    }
    // Like the real plugin: an unhealthy or exited container is waited for all the same.
    const end = Date.now() + Number(inputs.waitTimeout ?? 60) * 1000;
    while (Date.now() < end) {
      if ((await one.inspect()).State.Health?.Status === "healthy") return undefined;
      await pause(SETTLE_MS);
    }
    return "container failed to be in healthy state";
  }

  async function create(inputs: Properties, { urn }: Context): Promise<{ id: string; properties: Properties }> {
    const docker = await daemon.client("");
    const image = inputs.image as string;
    try {
      await pulled(docker, image);
    } catch (error) {
      throw failed("", `Unable to create container with image ${image}: ${(error as Error).message}`);
    }
    let made: Docker.Container;
    try {
      made = await docker.createContainer(createRequest(inputs));
    } catch (error) {
      throw failed("", `Unable to create container: ${daemonSaid(error)}`);
    }
    const half = async (message: string) => {
      const info = await made.inspect();
      const partial = { id: made.id, properties: stateOf(inputs, info, "create", null), inputs };
      return failed(`creating ${urn}: `, message, partial);
    };
    const asked = (Array.isArray(inputs.networksAdvanced) ? inputs.networksAdvanced : []).filter(isObject);
    try {
      if (asked.length > 0) {
        const first = (inputs.networkMode as string) ?? "bridge";
        await docker
          .getNetwork(first === "default" ? "bridge" : first)
          .disconnect({ Container: made.id, Force: true })
          .catch(() => {});
        for (const one of asked) await docker.getNetwork(String(one.name)).connect(endpoint(one, made.id));
      }
    } catch (error) {
      throw await half(`Unable to start container: ${daemonSaid(error)}`);
    }
    try {
      await upload(made, inputs.uploads);
    } catch (error) {
      throw await half(`Unable to upload volume content: ${daemonSaid(error)}`);
    }
    let logs: string | null = null;
    if (inputs.start !== false) {
      try {
        await made.start();
      } catch (error) {
        throw await half(`Unable to start container: ${daemonSaid(error)}`);
      }
      if (inputs.wait === true) {
        const why = await healthy(made, inputs);
        if (why) throw await half(why);
      }
      if (inputs.attach === true) {
        const before = await made.inspect();
        const { StatusCode } = await made.wait();
        if (inputs.logs === true) logs = unframe(await made.logs({ stdout: true, stderr: true }));
        if (inputs.rm === true) {
          return { id: made.id, properties: stateOf(inputs, stopped(before, StatusCode), "create", logs) };
        }
      } else {
        await pause(SETTLE_MS);
      }
    }
    return { id: made.id, properties: stateOf(inputs, await made.inspect(), "create", logs) };
  }

  return {
    check: (olds, news, context) => check(olds, news, CONTAINER, context),
    diff: ({ properties }, news, context) => diff(properties, news, CONTAINER, context, true),
    async create(inputs, context) {
      return context.preview ? { id: "", properties: previewState(inputs) } : create(inputs, context);
    },
    async read({ id, properties, inputs }, { urn }): Promise<Existing> {
      const docker = await daemon.client(`refreshing ${urn}: `);
      try {
        if (!/^[0-9a-f]{64}$/.test(id)) return { id: "", properties: {}, inputs: {} };
        const state = stateOf(properties, await docker.getContainer(id).inspect(), "read", null);
        const changed: Properties = {};
        for (const name of Object.keys(inputs)) {
          const value = state[name];
          const simple = typeof value !== "object" && name !== "image" && value !== undefined;
          if (simple || (name === "ports" && Array.isArray(value) && value.length === 0))
            changed[name] = value as Value;
        }
        const defaults = (Array.isArray(inputs.__defaults) ? inputs.__defaults : []).filter(
          (name) => changed[String(name)] === undefined || changed[String(name)] === inputs[String(name)],
        );
        return { id, properties: state, inputs: { ...inputs, ...changed, __defaults: defaults } };
      } catch (error) {
        if (isGone(error)) return { id: "", properties: {}, inputs: {} };
        throw error;
      }
    },
    async update({ id, properties, inputs }, news, context) {
      // The answer is what was planned; the container itself is not looked at again.
      const asked = Object.keys(CONTAINER).filter((name) => news[name] !== undefined);
      const planned: Properties = {
        ...properties,
        ...Object.fromEntries(asked.map((name) => [name, nested(name, news[name])])),
      };
      if (context.preview) return planned;
      const during = `updating ${context.urn}: `;
      const difference = diff(properties, news, CONTAINER, context, true);
      if (difference.replaces.length > 0) {
        const found = "Found delete=false, replace=true. This indicates a bug in provider.";
        throw new ProviderError(
          "UNKNOWN",
          `internal: expected diff to not require deletion or replacement during Update of ${context.urn}. ${found}`,
        );
      }
      const docker = await daemon.client(during);
      const one = docker.getContainer(id);
      const limits =
        "restart maxRetryCount memory memorySwap memoryReservation cpuShares cpuSet cpuPeriod cpuQuota".split(" ");
      try {
        if (difference.diffs.some((name) => limits.includes(name))) await one.update(resources(news));
        if (difference.diffs.includes("mustRun") && news.mustRun === true && !(await one.inspect()).State.Running)
          await one.start();
        return {
          ...planned,
          networksAdvanced: (planned.networksAdvanced as Properties[]).map((each) => ({
            ...each,
            gwPriority: each.gwPriority ?? 0,
          })),
          volumes: (planned.volumes as Properties[]).map((each) => ({ ...each, readOnly: each.readOnly ?? false })),
        };
      } catch (error) {
        const partial = { id, properties: { ...properties }, inputs };
        throw failed(during, `Unable to update a container: ${daemonSaid(error)}`, partial);
      }
    },
    async delete({ id, properties }, { urn }) {
      const docker = await daemon.client(`deleting ${urn}: `);
      const one = docker.getContainer(id);
      try {
        // Without destroyGraceSeconds there is no grace at all; stopTimeout is not heeded.
        await one.stop({ t: Number(properties.destroyGraceSeconds ?? 0) }).catch((error) => {
          if (error.statusCode !== 304) throw error; // stopped already
        });
        await one.remove({ v: properties.removeVolumes !== false, force: true });
      } catch (error) {
        if (!isGone(error)) throw failed(`deleting ${urn}: `, `Unable to remove container: ${daemonSaid(error)}`);
      }
    },
  };
}

/** What `docker inspect` would have said of a container that removed itself. */
function stopped(info: Info, exitCode: number): Info {
  const none = {
    Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: "",
    IPPrefixLen: 0,
    IPv6Gateway: "",
    MacAddress: "",
  };
  const networks = Object.entries(info.NetworkSettings.Networks).map(([name, one]) => [name, { ...one, ...none }]);
  return {
    ...info,
    State: { ...info.State, Running: false, ExitCode: exitCode },
    NetworkSettings: { ...info.NetworkSettings, Networks: Object.fromEntries(networks) },
  };
}

/** Log bytes without the eight-byte frame heads that Docker puts before each piece. */
function unframe(raw: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length; ) {
    const length = raw.readUInt32BE(at + 4);
    pieces.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(pieces).toString();
}
