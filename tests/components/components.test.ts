import { beforeEach, describe, expect, test } from "@jest/globals";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { Cache } from "../../components/cache/cache.ts";
import { Edge } from "../../components/edge/edge.ts";
import { Gateway } from "../../components/gateway/gateway.ts";
import { Host, type HostArgs } from "../../components/host/host.ts";
import { Service, type ServiceArgs } from "../../components/service/service.ts";
import { knownValue, type Registered, recordResources, settled } from "../support/mocks.ts";

let registered: Registered[];
beforeEach(async () => {
  registered = await recordResources();
});

const one = (type: string, name: string) => {
  const found = registered.filter((resource) => resource.type === type && resource.name === name);
  expect(found.map(({ name }) => name)).toEqual([name]);
  return found[0]?.inputs;
};
const CONTAINER = "docker:index/container:Container";
const REMOTE = "command:remote:Command";
const LOCAL = "command:local:Command";
const PROVIDER = "pulumi:providers:docker";

const access = { knownHostsFile: "/k/known_hosts", controlDir: "/k/c", privateKeyFile: "/k/id" };
const ssh = { kind: "ssh" as const, address: "10.0.0.1", port: 22, user: "root" };
const common = {
  dataDir: "/opt/ai-backend",
  tool: "#!/bin/bash\n",
  modelTool: "#!/bin/bash\n# models\n",
  stack: "test",
};
const sshArgs: HostArgs = {
  ...common,
  settings: ssh,
  hostKey: "ssh-ed25519 AAAA",
  access,
  privateKey: pulumi.secret("PRIVATE"),
};
const localArgs: HostArgs = { ...common, settings: { kind: "local" } };

/** Without the marks that say "this is secret": mocks get inputs bare. */
const bare = (value: unknown) =>
  JSON.parse(JSON.stringify(value), (_key, inner) =>
    inner?.["4dabf18193072939515e22adb298388d"] ? inner.value : inner,
  );

describe("a host", () => {
  test("over SSH: the pinned key goes to every command, and to docker's ssh", async () => {
    new Host("gw", sshArgs);
    await settled();
    const { connection, addPreviousOutputInEnv, stdin } = bare(one(REMOTE, "gw-tool"));
    expect(connection).toMatchObject({
      host: "10.0.0.1",
      hostKey: "ssh-ed25519 AAAA",
      privateKey: "PRIVATE",
      dialErrorLimit: 2,
      perDialTimeout: 5,
    });
    expect(addPreviousOutputInEnv).toBe(false);
    expect(stdin).toBe("#!/bin/bash\n");
    const provider = one(PROVIDER, "gw-docker");
    expect(provider.host).toBe("ssh://root@10.0.0.1:22");
    expect(JSON.stringify(provider.sshOpts)).toContain("StrictHostKeyChecking=yes");
  });
  test("through a bastion, with the agent: no socket is named, since it is another at every login", async () => {
    const { privateKey: _, ...agent } = sshArgs;
    new Host("gw", { ...agent, bastion: { settings: { ...ssh, address: "10.0.0.9" }, hostKey: "ssh-ed25519 BBBB" } });
    await settled();
    const { connection } = bare(one(REMOTE, "gw-tool"));
    expect(connection.proxy).toMatchObject({ host: "10.0.0.9", hostKey: "ssh-ed25519 BBBB" });
    for (const login of [connection, connection.proxy])
      expect(Object.keys(login)).not.toEqual(expect.arrayContaining(["privateKey"]));
    expect(JSON.stringify(connection)).not.toContain("agentSocketPath");
  });
  test("this machine: local commands, the local socket", async () => {
    new Host("box", localArgs);
    await settled();
    expect(one(LOCAL, "box-tool").interpreter).toEqual(["/bin/bash", "-c"]);
    expect(one(PROVIDER, "box-docker").host).toBe("unix:///var/run/docker.sock");
  });
  test("an image is pulled once however many services use it, and is named by tag or digest", async () => {
    const host = new Host("box", localArgs);
    expect(host.image("docker.io/library/redis:7")).toBe(host.image("docker.io/library/redis:7"));
    host.image(`ghcr.io/a/b@sha256:${"ab".repeat(32)}`);
    await settled();
    expect(one("docker:index/remoteImage:RemoteImage", "box-image-redis-7")).toMatchObject({ keepLocally: true });
    expect(one("docker:index/remoteImage:RemoteImage", "box-image-b-abababab").name).toMatch(/@sha256/);
  });
});

const serviceArgs = (host: Host): ServiceArgs => ({
  host,
  image: "docker.io/library/thing:1",
  uid: 999,
  start: "exec thing",
  memoryMiB: 128,
  pids: 32,
  healthcheck: { command: ["true"], intervalSeconds: 2, timeoutSeconds: 1, readyWithinSeconds: 30 },
  graceSeconds: 5,
  replacement: "beside",
});

describe("a service", () => {
  const specOf = (labels: { label: string; value: string }[]) =>
    labels.find(({ label }) => label === "ai-backend.spec")?.value;
  async function spec(change: Partial<ServiceArgs>): Promise<string | undefined> {
    registered = await recordResources();
    new Service("t:t:T", "thing", { ...serviceArgs(new Host("box", localArgs)), ...change });
    await settled();
    return specOf(one(CONTAINER, "thing").labels);
  }

  test("is hardened, whatever it is", async () => {
    new Service("t:t:T", "thing", serviceArgs(new Host("box", localArgs)));
    await settled();
    expect(one(CONTAINER, "thing")).toMatchObject({
      readOnly: true,
      user: "999:999",
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      memory: 128,
      memorySwap: 128,
      restart: "unless-stopped",
      logOpts: { "max-size": "10m", "max-file": "3" },
      destroyGraceSeconds: 5,
      wait: false,
      entrypoints: ["/bin/sh", "-ec"],
      command: ["exec thing"],
    });
    expect(one(CONTAINER, "thing").name).toBeUndefined();
    expect(one(LOCAL, "thing-ready").create).toBe("/opt/ai-backend/bin/host ready thing-id 30 32");
  });

  test("the label names the whole specification: any change of it makes another", async () => {
    const base = await spec({});
    expect(await spec({})).toBe(base);
    const changes: Partial<ServiceArgs>[] = [
      { image: "docker.io/library/thing@sha256:1" },
      { start: "exec other" },
      { env: { A: "1" } },
      { files: { f: "x" } },
      { files: { f: "y" } },
      { secrets: { S: pulumi.secret("x") } },
      { secrets: { S: pulumi.secret("y") } },
      { mounts: [{ hostPath: "/a", containerPath: "/a" }] },
      { mounts: [{ hostPath: "/b", containerPath: "/a" }] },
      { tmpfs: { "/t": "size=1m" } },
      { memoryMiB: 256 },
      { pids: 33 },
      { graceSeconds: 6 },
      { gpus: "all" },
      { ports: [{ ip: "127.0.0.1", external: 1, internal: 1 }] },
      { healthcheck: { command: ["false"], intervalSeconds: 2, timeoutSeconds: 1, readyWithinSeconds: 30 } },
    ];
    const all = [base];
    for (const change of changes) all.push(await spec(change));
    expect(new Set(all).size).toBe(changes.length + 1);
  });

  test("files go as one release, secrets as an env file of its own, and only one of them removes the folder", async () => {
    const host = new Host("box", localArgs);
    new Service("t:t:T", "thing", {
      ...serviceArgs(host),
      files: { "a.txt": "hello" },
      filesAt: "/etc/thing",
      secrets: { KEY: pulumi.secret("hunter2") },
    });
    await settled();
    const files = one(LOCAL, "thing-files");
    expect(files.create).toMatch(/^\/opt\/ai-backend\/bin\/host release thing [0-9a-f]{16} 999$/);
    expect(files.stdin).toBe("==> a.txt 5\nhello\n");
    expect(files.delete).toBe("/opt/ai-backend/bin/host remove thing");
    const secrets = one(LOCAL, "thing-secrets");
    expect(bare(secrets.stdin)).toBe("KEY='hunter2'\n");
    expect(secrets.logging).toBe("none");
    expect(secrets.delete).toBeUndefined();
    const { volumes, command } = one(CONTAINER, "thing");
    const digest = files.create.split(" ")[3];
    expect(volumes[0]).toEqual({
      hostPath: `/opt/ai-backend/thing/releases/${digest}`,
      containerPath: "/etc/thing",
      readOnly: true,
    });
    expect(volumes[1].hostPath).toMatch(/^\/opt\/ai-backend\/thing\/secrets\/[0-9a-f]{16}\.env$/);
    expect(command).toEqual(["set -a; . /run/secrets/env; set +a; exec thing"]);
    expect(JSON.stringify(one(CONTAINER, "thing"))).not.toContain("hunter2");
    expect(secrets.create).not.toContain("hunter2");
  });

  test("one that reloads is mounted through its folder, and a change of its files makes no new container", async () => {
    const change = { reloads: true, replacement: "inPlace" as const };
    const first = await spec({ ...change, files: { f: "x" } });
    expect(one(LOCAL, "thing-activate").create).toMatch(
      /host activate thing [0-9a-f]{16} docker\.io\/library\/thing:1$/,
    );
    expect(one(CONTAINER, "thing").volumes[0]).toMatchObject({
      hostPath: "/opt/ai-backend/thing",
      containerPath: "/config",
    });
    expect(one(CONTAINER, "thing").name).toBe("ai-backend-thing");
    expect(await spec({ ...change, files: { f: "y" } })).toBe(first);
  });
});

describe("what is deployed", () => {
  const network = (host: Host) => new docker.Network("net", { name: "ai-backend" }, { provider: host.provider });

  test("Redis: its password by standard input, reached in the network only", async () => {
    const host = new Host("gw", sshArgs);
    const cache = new Cache("cache", { host, image: "redis:7", network: network(host), memoryMiB: 64 });
    expect(await knownValue(cache.password)).toBe("secret-of-cache-password");
    await settled();
    const inputs = one(CONTAINER, "cache");
    expect(inputs.ports).toBeUndefined();
    expect(inputs.networksAdvanced).toEqual([{ name: "ai-backend", aliases: ["cache"] }]);
    expect(inputs.command[0]).not.toContain("secret-of");
    expect(one(REMOTE, "cache-files").stdin).toContain("maxmemory 64mb");
  });

  test("HAProxy: the only published port, clients by the hash of their keys", async () => {
    const host = new Host("gw", sshArgs);
    const edge = new Edge("edge", {
      host,
      image: "haproxy:2",
      network: network(host),
      bind: "10.0.0.1",
      port: 4000,
      clients: [
        { name: "app", priority: "high", requestsPerMinute: 60 },
        { name: "batch", priority: "normal" },
      ],
      allowedOrigins: [],
      gatewayKey: pulumi.secret("sk-gateway"),
      requestTimeoutSeconds: 60,
    });
    expect(edge.url).toBe("http://10.0.0.1:4000/v1");
    expect(await knownValue(edge.clientKeys)).toEqual({
      app: "sk-secret-of-edge-client-app",
      batch: "sk-secret-of-edge-client-batch",
    });
    expect(await pulumi.isSecret(edge.clientKeys)).toBe(true);
    await settled();
    expect(one(CONTAINER, "edge").ports).toEqual([{ ip: "10.0.0.1", external: 4000, internal: 4000, protocol: "tcp" }]);
    const files = one(REMOTE, "edge-files").stdin;
    expect(files).toMatch(/==> clients\.map \d+\n[0-9a-f]{64} app\n[0-9a-f]{64} batch\n/);
    expect(files).toMatch(/==> limits\.map \d+\napp 60\n/);
    expect(files).toMatch(/==> priorities\.map \d+\napp -100\n/);
    expect(files).not.toContain("secret-of");
    expect(bare(one(REMOTE, "edge-secrets").stdin)).toBe("GATEWAY_KEY='sk-gateway'\n");
  });

  test("LiteLLM: no port, no name; smoke before traffic, traffic names container and edge", async () => {
    const host = new Host("gw", sshArgs);
    const net = network(host);
    const edge = new Edge("edge", {
      host,
      image: "haproxy:2",
      network: net,
      bind: "127.0.0.1",
      port: 4000,
      clients: [{ name: "app", priority: "normal" }],
      allowedOrigins: [],
      gatewayKey: "sk-g",
      requestTimeoutSeconds: 60,
    });
    new Gateway("gateway", {
      host,
      image: "litellm:1",
      network: net,
      settings: {
        deployments: [],
        fallbacks: {},
        contextWindowFallbacks: {},
        contentPolicyFallbacks: {},
        aliases: {},
        maxFallbacks: 20,
        budgets: {},
        callbacks: ["prometheus"],
        cacheHost: "cache",
        cacheTtlSeconds: 60,
        retries: 1,
        cooldownSeconds: 30,
        allowedFails: 1,
      },
      key: pulumi.secret("sk-g"),
      redisPassword: pulumi.secret("redis"),
      providerKeys: { PROVIDER_X_KEY: pulumi.secret("k") },
      smokeRoutes: ["tiny", "it's"],
      workers: 2,
      memoryMiB: 2048,
      drainSeconds: 30,
      connectSeconds: 7,
      streamSeconds: 300,
      edge: edge.container,
      after: [edge.ready],
    });
    await settled();
    const inputs = one(CONTAINER, "gateway");
    expect(inputs.ports).toBeUndefined();
    expect(inputs.name).toBeUndefined();
    expect(inputs.destroyGraceSeconds).toBe(35);
    expect(inputs.command[0]).toContain("--num_workers 2");
    expect(inputs.command[0]).toContain("mkdir -p /tmp/prometheus; exec");
    expect(inputs.envs).toContain("LITELLM_MAX_STREAMING_DURATION_SECONDS=300");
    expect(inputs.sysctls).toEqual({ "net.ipv4.tcp_syn_retries": "2" });
    expect(one(REMOTE, "gateway-smoke").create).toBe(`/opt/ai-backend/bin/host smoke gateway-id tiny 'it'\\''s'`);
    expect(one(REMOTE, "gateway-traffic").create).toBe("/opt/ai-backend/bin/host traffic gateway-0000000 edge-id");
    expect(bare(one(REMOTE, "gateway-secrets").stdin)).toBe(
      "LITELLM_MASTER_KEY='sk-g'\nPROVIDER_X_KEY='k'\nREDIS_PASSWORD='redis'\n",
    );
  });
});
