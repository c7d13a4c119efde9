import type Docker from "dockerode";
import { isObject, type Properties, type Value } from "../wire.ts";
import { labelMap } from "./network.ts";

const MIB = 1024 * 1024;
const UNITS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

const list = (value: Value | undefined) => (Array.isArray(value) ? value : []);
const texts = (value: Value | undefined) => list(value).map(String);
const objects = (value: Value | undefined) => list(value).filter(isObject);
const textMap = (value: Value | undefined) => (isObject(value) ? (value as Record<string, string>) : {});
const mebibytes = (value: Value | undefined) =>
  typeof value === "number" ? (value < 0 ? value : value * MIB) : undefined;

function nanoseconds(duration: Value | undefined): number {
  let sum = 0;
  for (const [, amount, unit] of String(duration ?? "0s").matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(amount) * (UNITS[unit as string] as number);
  }
  return sum;
}

/** What `docker update` can change of a running container. */
export function resources(inputs: Properties): Record<string, unknown> {
  return {
    Memory: mebibytes(inputs.memory) ?? 0,
    MemorySwap: mebibytes(inputs.memorySwap) ?? 0,
    MemoryReservation: mebibytes(inputs.memoryReservation) ?? 0,
    CpuShares: (inputs.cpuShares as number) ?? 0,
    CpusetCpus: (inputs.cpuSet as string) ?? "",
    CpuPeriod: (inputs.cpuPeriod as number) ?? 0,
    CpuQuota: (inputs.cpuQuota as number) ?? 0,
    RestartPolicy: {
      Name: (inputs.restart as string) ?? "no",
      MaximumRetryCount: (inputs.maxRetryCount as number) ?? 0,
    },
  };
}

function deviceRequests(inputs: Properties): unknown[] {
  const asked = objects(inputs.deviceRequests).map((one) => ({
    Driver: one.driver ?? "",
    Count: one.count ?? 0,
    DeviceIDs: texts(one.deviceIds),
    Capabilities: [texts(one.capabilities)],
    Options: textMap(one.options),
  }));
  if (typeof inputs.gpus !== "string") return asked;
  const ids = /^device=(.*)$/.exec(inputs.gpus)?.[1]?.split(",");
  const count = inputs.gpus === "all" ? -1 : Number(inputs.gpus);
  return [...asked, { Driver: "", Count: ids ? 0 : count, DeviceIDs: ids ?? [], Capabilities: [["gpu"]], Options: {} }];
}

/** The request that makes a container of these inputs; its networks are joined between creation and start. */
export function createRequest(inputs: Properties): Docker.ContainerCreateOptions {
  const health = isObject(inputs.healthcheck) ? inputs.healthcheck : undefined;
  const ports = objects(inputs.ports).map((port) => ({ key: `${port.internal}/${port.protocol ?? "tcp"}`, port }));
  const capabilities = isObject(inputs.capabilities) ? inputs.capabilities : {};
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { key, port } of ports) {
    bindings[key] ??= [];
    bindings[key].push({ HostIp: String(port.ip ?? "0.0.0.0"), HostPort: port.external ? String(port.external) : "" });
  }
  const volumes = objects(inputs.volumes);
  return {
    name: inputs.name,
    Image: inputs.image,
    ...(inputs.command !== undefined && { Cmd: texts(inputs.command) }),
    ...(inputs.entrypoints !== undefined && { Entrypoint: texts(inputs.entrypoints) }),
    Env: texts(inputs.envs),
    Labels: labelMap(inputs.labels),
    ...(inputs.user !== undefined && { User: inputs.user }),
    ...(inputs.hostname !== undefined && { Hostname: inputs.hostname }),
    ...(inputs.domainname !== undefined && { Domainname: inputs.domainname }),
    ...(inputs.workingDir !== undefined && { WorkingDir: inputs.workingDir }),
    ...(inputs.stopSignal !== undefined && { StopSignal: inputs.stopSignal }),
    ...(inputs.stopTimeout !== undefined && { StopTimeout: inputs.stopTimeout }),
    Tty: inputs.tty === true,
    OpenStdin: inputs.stdinOpen === true,
    ExposedPorts: Object.fromEntries(ports.map(({ key }) => [key, {}])),
    Volumes: Object.fromEntries(
      volumes
        .filter((one) => !one.hostPath && !one.volumeName && one.containerPath)
        .map((one) => [one.containerPath, {}]),
    ),
    ...(health && {
      Healthcheck: {
        Test: texts(health.tests),
        Interval: nanoseconds(health.interval),
        Timeout: nanoseconds(health.timeout),
        StartPeriod: nanoseconds(health.startPeriod),
        Retries: (health.retries as number) ?? 0,
      },
    }),
    HostConfig: {
      ...resources(inputs),
      AutoRemove: inputs.rm === true,
      Binds: volumes
        .filter((one) => one.hostPath || one.volumeName)
        .map((one) => {
          const options = [one.readOnly ? "ro" : "rw", one.selinuxRelabel].filter(Boolean).join(",");
          return `${one.hostPath || one.volumeName}:${one.containerPath}:${options}`;
        }),
      VolumesFrom: volumes.filter((one) => one.fromContainer).map((one) => String(one.fromContainer)),
      CapAdd: texts(capabilities.adds),
      CapDrop: texts(capabilities.drops),
      ...(inputs.cpus !== undefined && { NanoCpus: Number(inputs.cpus) * 1e9 }),
      DeviceRequests: deviceRequests(inputs),
      Devices: objects(inputs.devices).map((one) => ({
        PathOnHost: one.hostPath,
        PathInContainer: one.containerPath || one.hostPath,
        CgroupPermissions: one.permissions ?? "rwm",
      })),
      Dns: texts(inputs.dns),
      DnsOptions: texts(inputs.dnsOpts),
      DnsSearch: texts(inputs.dnsSearches),
      ExtraHosts: objects(inputs.hosts).map(({ host, ip }) => `${host}:${ip}`),
      GroupAdd: texts(inputs.groupAdds),
      ...(inputs.init !== undefined && { Init: inputs.init }),
      ...(inputs.ipcMode !== undefined && { IpcMode: inputs.ipcMode }),
      ...(inputs.pidMode !== undefined && { PidMode: inputs.pidMode }),
      ...(inputs.usernsMode !== undefined && { UsernsMode: inputs.usernsMode }),
      ...(inputs.runtime !== undefined && { Runtime: inputs.runtime }),
      ...(inputs.cgroupParent !== undefined && { CgroupParent: inputs.cgroupParent }),
      ...(inputs.cgroupnsMode !== undefined && { CgroupnsMode: inputs.cgroupnsMode }),
      LogConfig: { Type: (inputs.logDriver as string) ?? "", Config: textMap(inputs.logOpts) },
      Mounts: objects(inputs.mounts).map((mount) => ({
        Target: mount.target,
        Source: mount.source ?? "",
        Type: mount.type,
        ReadOnly: mount.readOnly === true,
      })),
      NetworkMode: (inputs.networkMode as string) ?? "bridge",
      PortBindings: bindings,
      Privileged: inputs.privileged === true,
      PublishAllPorts: inputs.publishAllPorts === true,
      ReadonlyRootfs: inputs.readOnly === true,
      SecurityOpt: texts(inputs.securityOpts),
      ...(inputs.shmSize !== undefined && { ShmSize: mebibytes(inputs.shmSize) }),
      StorageOpt: isObject(inputs.storageOpts) ? inputs.storageOpts : undefined,
      Sysctls: textMap(inputs.sysctls),
      Tmpfs: textMap(inputs.tmpfs),
      Ulimits: objects(inputs.ulimits).map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    },
  } as unknown as Docker.ContainerCreateOptions;
}

/** What joining one network of `networksAdvanced` asks for. */
export function endpoint(one: Properties, id: string) {
  return {
    Container: id,
    EndpointConfig: {
      Aliases: texts(one.aliases),
      IPAMConfig: {
        ...(one.ipv4Address ? { IPv4Address: String(one.ipv4Address) } : {}),
        ...(one.ipv6Address ? { IPv6Address: String(one.ipv6Address) } : {}),
      },
    },
  };
}
