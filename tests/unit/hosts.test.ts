import { describe, expect, jest, test } from "@jest/globals";
import { clearLeftovers } from "../../components/host/leftovers.ts";
import { type Checked, preflight } from "../../components/host/preflight.ts";
import { type Said, type Shell, shellOf } from "../../components/host/shell.ts";
import { sshOptions } from "../../components/host/ssh-options.ts";
import { fullName, mirrored } from "../../config/images.ts";

const ssh = { kind: "ssh" as const, address: "10.0.0.1", port: 22, user: "root" };
const said = (stdout: string, more: Partial<Said> = {}): Said => ({
  exitCode: 0,
  stdout,
  stderr: "",
  timedOut: false,
  ...more,
});
const GOOD = {
  user: "root",
  now: String(Math.round(Date.now() / 1000)),
  docker: "yes",
  daemon: "20.10.24",
  root: "/var/lib/docker",
  data_free: "9000",
  data_writable: "yes",
  docker_free: "9000",
  socket_client: "socat",
  curl: "yes",
  nvidia: "no",
  gpu_memory: "",
  gpu_toolkit: "no",
};
const GPUS = { nvidia: "yes", gpu_memory: "24564 24564 ", gpu_toolkit: "yes" };
const withGpus = (count: number, memoryMiB: number) => ({ gpus: true, host: { ...ssh, gpus: { count, memoryMiB } } });
const facts = (change: Partial<typeof GOOD>) =>
  said(
    Object.entries({ ...GOOD, ...change })
      .map(([key, value]) => `${key}=${value}`)
      .join("\n"),
  );
const host = (answer: Said, more: Partial<Checked> = {}): Checked => ({
  name: "gpu1",
  host: ssh,
  shell: async () => answer,
  dataDir: "/opt/ai-backend",
  diskMiB: 2048,
  gpus: false,
  ...more,
});

describe("the preflight says in one line what a host lacks", () => {
  test("nothing", async () =>
    expect(await preflight([host(facts({})), host(facts({}), { name: "gateway" })])).toEqual([]));
  test("nothing on a GPU host, whose driver keeps some memory", async () =>
    expect(await preflight([host(facts(GPUS), withGpus(2, 24576))])).toEqual([]));

  test.each<[string, Said, Partial<Checked>, RegExp]>([
    ["no docker", facts({ docker: "no" }), {}, /docker is not installed\. Fix: install Docker Engine/],
    ["daemon down", facts({ daemon: "Cannot connect" }), {}, /daemon does not answer\. Fix: systemctl start docker/],
    [
      "no rights",
      facts({ user: "amy", daemon: "permission denied" }),
      {},
      /amy may not use docker\. Fix: add amy to the docker group/,
    ],
    [
      "disk full",
      facts({ data_free: "12", docker_free: "12" }),
      {},
      /only 12 MiB are free for \/opt\/ai-backend, 2048 are needed/,
    ],
    ["not writable", facts({ data_writable: "no" }), {}, /cannot write \/opt\/ai-backend/],
    ["no socket client", facts({ socket_client: "" }), {}, /none of socat.*Fix: install socat/],
    ["no GPU", facts({}), { gpus: true }, /asks for GPUs.*Fix: install the NVIDIA driver/],
    ["no GPU that is seen", facts({ ...GPUS, gpu_memory: "" }), { gpus: true }, /nvidia-smi shows no GPU/],
    ["no toolkit", facts({ ...GPUS, gpu_toolkit: "no" }), { gpus: true }, /Docker has no way to its GPUs/],
    ["fewer GPUs", facts(GPUS), withGpus(4, 24000), /it has 2 GPUs, and the settings say 4\. Fix: correct gpus/],
    ["smaller GPUs", facts(GPUS), withGpus(2, 49140), /its GPUs have 24564 MiB, and the settings say 49140/],
    ["no curl", facts({ curl: "no" }), { fetches: true }, /models are fetched here, and there is no curl/],
    ["clock", facts({ now: String(Date.now() / 1000 - 500) }), {}, /its clock is 500 s off/],
    ["two things", facts({ docker: "no", socket_client: "" }), {}, /docker is not installed; none of/],
    [
      "wrong host key",
      said("", { exitCode: 255, stderr: "Host key verification failed." }),
      {},
      /host key is not the pinned one/,
    ],
    [
      "wrong key",
      said("", { exitCode: 255, stderr: "root@10.0.0.1: Permission denied (publickey)." }),
      {},
      /refuses this SSH key/,
    ],
    [
      "refused",
      said("", { exitCode: 255, stderr: "connect: Connection refused" }),
      {},
      /nothing answers on its SSH port/,
    ],
    [
      "down",
      said("", { exitCode: 255, stderr: "connect to host 10.0.0.1 port 22: No route to host" }),
      {},
      /cannot be reached/,
    ],
    ["hangs", said("", { exitCode: undefined, timedOut: true }), {}, /does not answer/],
    ["no name", said("", { exitCode: 255, stderr: "Could not resolve hostname x" }), {}, /does not resolve/],
    ["no bash", said("", { exitCode: 127, stderr: "sh: bash: not found" }), {}, /no bash/],
    ["something else", said("", { exitCode: 255, stderr: "first\nodd end" }), {}, /ssh ended with 255: odd end/],
  ])("%s", async (_name, answer, more, expected) => {
    const lines = await preflight([host(answer, more)]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(expected);
    expect(lines[0]).toMatch(/^gpu1 \(10\.0\.0\.1\): .* Fix: .*\.$/);
  });

  test("this machine is named as such", async () => {
    const lines = await preflight([host(facts({ docker: "no" }), { host: { kind: "local" } })]);
    expect(lines[0]).toMatch(/^gpu1 \(this machine\): docker/);
  });
});

describe("leftovers of a killed update", () => {
  const known = "a".repeat(64);
  const lost = "b".repeat(64);
  const shellWith = (listing: string) => {
    const scripts: string[] = [];
    const shell: Shell = async (script) => {
      scripts.push(script);
      return said(scripts.length === 1 ? listing : "");
    };
    return { shell, scripts };
  };
  const state = JSON.stringify({ deployment: { resources: [{ id: known }, {}] } });

  test("what no state knows is removed, what it knows stays", async () => {
    const { shell, scripts } = shellWith(`container ${known}\ncontainer ${lost}\nnetwork ${lost}\nnoise`);
    expect(await clearLeftovers("lab", [{ name: "gw", shell }], async () => state)).toEqual([
      `gw: container ${lost}`,
      `gw: network ${lost}`,
    ]);
    expect(scripts[1]).toBe(`docker rm -f -v ${lost}\ndocker network rm ${lost} || true`);
  });
  test("nothing there: the state is not even asked for", async () => {
    const exported = jest.fn(async () => state);
    const { shell } = shellWith("");
    expect(await clearLeftovers("lab", [{ name: "gw", shell }], exported)).toEqual([]);
    expect(exported).not.toHaveBeenCalled();
  });
  test("everything known: nothing is run, and an empty state is understood", async () => {
    const { shell, scripts } = shellWith(`container ${known}`);
    expect(await clearLeftovers("lab", [{ name: "gw", shell }], async () => state)).toEqual([]);
    expect(scripts).toHaveLength(1);
    const other = shellWith(`network ${lost}`);
    expect(await clearLeftovers("lab", [{ name: "gw", shell: other.shell }], async () => "{}")).toHaveLength(1);
  });
});

describe("ssh", () => {
  const access = { knownHostsFile: "/k/known_hosts", controlDir: "/k/c" };
  test("the user's own configuration stays out, the host key is pinned, one connection is shared", () => {
    const text = sshOptions({ ...access, privateKeyFile: "/k/id" }, ssh).join(" ");
    expect(text).toMatch(/^-F none -i \/k\/id -o IdentitiesOnly=yes /);
    for (const part of [
      "StrictHostKeyChecking=yes",
      "UserKnownHostsFile=/k/known_hosts",
      "ControlMaster=auto",
      "BatchMode=yes",
    ])
      expect(text).toContain(part);
    expect(text).not.toContain("ProxyCommand");
  });
  test("an agent, and a bastion with the same pinned keys", () => {
    const options = sshOptions(access, ssh, { ...ssh, port: 2200, user: "jump" });
    expect(options).not.toContain("-i");
    const proxy = options.find((option) => option.startsWith("ProxyCommand"));
    expect(proxy).toMatch(/StrictHostKeyChecking=yes .* -p 2200 -l jump -W \[%h\]:%p 10\.0\.0\.1$/);
  });
  test("a folder with a long name: no shared connection, rather than none at all", () => {
    const options = sshOptions({ ...access, controlDir: `/${"x".repeat(90)}` }, ssh);
    expect(options).toContain("ControlMaster=no");
    expect(options.join()).not.toContain("ControlPath");
  });
  test("this machine's shell runs a script, and is cut off in time", async () => {
    const local = shellOf({ kind: "local" }, undefined);
    expect(await local("echo out; echo err >&2; exit 3", 5)).toEqual({
      exitCode: 3,
      stdout: "out",
      stderr: "err",
      timedOut: false,
    });
    expect((await local("sleep 20", 0.3)).timedOut).toBe(true);
  });
  test("a host that is not there is told from ssh's own words", async () => {
    const shell = shellOf({ ...ssh, address: "127.0.0.1", port: 1 }, access);
    const answer = await shell("true", 10);
    expect(answer.exitCode).toBe(255);
    expect(answer.stderr).toMatch(/refused/i);
  });
});

test("image names are said in full behind a mirror", () => {
  expect(fullName("redis:7")).toBe("docker.io/library/redis:7");
  expect(fullName("a/b:1")).toBe("docker.io/a/b:1");
  expect(fullName("ghcr.io/a/b:1")).toBe("ghcr.io/a/b:1");
  expect(mirrored("redis:7")).toBe("redis:7");
  expect(mirrored("redis:7", "10.0.0.1:5000")).toBe("10.0.0.1:5000/docker.io/library/redis:7");
});
