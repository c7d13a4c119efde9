/** The properties of the docker types, as the recorded answers of the real plugin show them. */
import type { Property, Schema } from "./bridge.ts";

const replaced = (property: Property): Property => ({ ...property, replaces: true });
const text: Property = { type: "string" };
const number: Property = { type: "number" };
const bool: Property = { type: "bool" };
const strings: Property = { type: "strings" };
const map: Property = { type: "map" };
const computed = (property: Property): Property => ({ ...property, computed: true });

const LABELS: Property = replaced({ type: "objects", set: true, fields: { label: text, value: text } });

export const CONTAINER: Schema = {
  name: replaced(text),
  image: replaced({ ...text, required: true }),
  command: replaced(computed(strings)),
  entrypoints: replaced(computed(strings)),
  envs: replaced(computed({ ...strings, set: true })),
  labels: computed(LABELS),
  user: replaced(computed(text)),
  hostname: replaced(computed(text)),
  domainname: replaced(text),
  workingDir: replaced(computed(text)),
  securityOpts: replaced(computed({ ...strings, set: true })),
  capabilities: replaced({
    type: "object",
    fields: { adds: { ...strings, set: true }, drops: { ...strings, set: true } },
  }),
  readOnly: replaced(computed(bool)),
  privileged: replaced(computed(bool)),
  tty: replaced(computed(bool)),
  stdinOpen: replaced(computed(bool)),
  publishAllPorts: replaced(computed(bool)),
  logDriver: replaced(computed(text)),
  logOpts: replaced(map),
  stopSignal: replaced(computed(text)),
  stopTimeout: replaced(computed(number)),
  shmSize: replaced(computed(number)),
  ipcMode: replaced(computed(text)),
  pidMode: replaced(text),
  usernsMode: replaced(computed(text)),
  runtime: replaced(computed(text)),
  cgroupnsMode: replaced(text),
  cgroupParent: replaced(text),
  platform: replaced(computed(text)),
  networkMode: replaced({ ...text, default: "bridge" }),
  dns: replaced({ ...strings, set: true }),
  dnsOpts: replaced({ ...strings, set: true }),
  dnsSearches: replaced({ ...strings, set: true }),
  groupAdds: replaced({ ...strings, set: true }),
  sysctls: replaced(map),
  storageOpts: replaced(map),
  cpus: replaced(text),
  gpus: replaced(text),
  hosts: replaced({ type: "objects", set: true, fields: { host: text, ip: text } }),
  ulimits: replaced({ type: "objects", set: true, fields: { hard: number, name: text, soft: number } }),
  devices: replaced({
    type: "objects",
    set: true,
    whole: true,
    fields: { hostPath: text, containerPath: text, permissions: { ...text, default: "rwm" } },
  }),
  deviceRequests: replaced({
    type: "objects",
    fields: { driver: text, count: number, deviceIds: strings, capabilities: strings, options: map },
  }),
  deviceReadBps: replaced({ type: "objects", whole: true }),
  deviceReadIops: replaced({ type: "objects", whole: true }),
  deviceWriteBps: replaced({ type: "objects", whole: true }),
  deviceWriteIops: replaced({ type: "objects", whole: true }),
  ports: replaced({
    type: "objects",
    fields: {
      internal: { ...number, required: true },
      external: number,
      ip: { ...text, default: "0.0.0.0" },
      protocol: { ...text, default: "tcp" },
    },
  }),
  mounts: replaced({
    type: "objects",
    unindexed: true,
    fields: {
      target: text,
      type: { ...text, pattern: /^(bind|volume|tmpfs)$/ },
      source: text,
      readOnly: bool,
      bindOptions: { type: "object", fields: { propagation: text } },
      tmpfsOptions: { type: "object", fields: { mode: number, sizeBytes: number } },
      volumeOptions: { type: "object", fields: { noCopy: bool, driverName: text, driverOptions: map, subpath: text } },
    },
  }),
  volumes: replaced({
    type: "objects",
    set: true,
    whole: true,
    fields: {
      containerPath: text,
      fromContainer: text,
      hostPath: text,
      readOnly: bool,
      selinuxRelabel: text,
      volumeName: text,
    },
  }),
  uploads: replaced({
    type: "objects",
    set: true,
    whole: true,
    fields: {
      content: text,
      contentBase64: text,
      executable: bool,
      file: text,
      permissions: text,
      source: text,
      sourceHash: text,
    },
  }),
  networksAdvanced: replaced({
    type: "objects",
    set: true,
    whole: true,
    fields: {
      aliases: { ...strings, set: true },
      driverOpts: { ...strings, set: true },
      gwPriority: number,
      ipv4Address: text,
      ipv6Address: text,
      linkLocalIps: { ...strings, set: true },
      macAddress: text,
      name: text,
    },
  }),
  // From here on a change is an update. Those marked with * alter the state and never the container.
  healthcheck: computed({
    type: "object", // *
    fields: {
      tests: strings,
      interval: { ...text, default: "0s", duration: true },
      timeout: { ...text, default: "0s", duration: true },
      startPeriod: { ...text, default: "0s", duration: true },
      startInterval: { ...text, default: "0s", duration: true },
      retries: { ...number, minimum: 0 },
    },
  }),
  tmpfs: map, // *
  init: computed(bool), // *
  restart: { ...text, default: "no", pattern: /^(no|on-failure|always|unless-stopped)$/ },
  maxRetryCount: number,
  memory: { ...number, minimum: 0 },
  memorySwap: { ...number, minimum: -1 },
  memoryReservation: { ...number, minimum: 0, removal: "UPDATE" },
  cpuShares: { ...number, minimum: 0 },
  cpuSet: text,
  cpuPeriod: number,
  cpuQuota: number,
  destroyGraceSeconds: number,
  wait: { ...bool, removal: "UPDATE" },
  waitTimeout: { ...number, default: 60 },
  mustRun: { ...bool, default: true },
  start: { ...bool, default: true },
  removeVolumes: { ...bool, default: true },
  attach: computed(bool),
  logs: computed(bool),
  rm: computed(bool),
  containerReadRefreshTimeoutMilliseconds: { ...number, default: 15000 },
};

export const NETWORK: Schema = {
  name: replaced(text),
  driver: replaced(computed(text)),
  internal: replaced(computed(bool)),
  attachable: replaced(bool),
  ingress: replaced(bool),
  ipv6: replaced(bool),
  labels: LABELS,
  options: replaced(computed(map)),
  ipamDriver: replaced({ ...text, default: "default" }),
  ipamOptions: replaced(map),
  ipamConfigs: replaced(
    computed({
      type: "objects",
      set: true,
      whole: true,
      fields: { subnet: text, gateway: text, ipRange: text, auxAddress: map },
    }),
  ),
};

export const VOLUME: Schema = {
  name: replaced(text),
  driver: replaced(computed(text)),
  driverOpts: replaced(map),
  labels: LABELS,
  cluster: replaced({ type: "object" }),
};

export const REMOTE_IMAGE: Schema = {
  name: replaced({ ...text, required: true }),
  keepLocally: bool,
  forceRemove: bool,
  platform: replaced(text),
  pullTriggers: replaced({ ...strings, set: true }),
  triggers: replaced(map),
  build: replaced({ type: "object" }),
};
