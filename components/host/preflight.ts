/** Looks at every host before an update touches any: one line for each that is not ready. */
import type { HostSettings } from "../../config/schema/stack.ts";
import type { Said, Shell } from "./shell.ts";

export interface Checked {
  name: string;
  host: HostSettings;
  shell: Shell;
  dataDir: string;
  /** Free space that must be left, MiB. */
  diskMiB: number;
  /** An engine here asks for GPUs. */
  gpus: boolean;
  /** An engine here has models fetched. */
  fetches?: boolean;
}

/** A host that does not answer in this time is down. */
const LIMIT_SECONDS = 8;
const CLOCK_SKEW_SECONDS = 60;

/** Prints `key=value` lines; never fails, so that everything missing is seen at once. */
const script = (dataDir: string) => `
have() { command -v "$1" >/dev/null 2>&1 && echo yes || echo no; }
free() { df -Pm "$1" 2>/dev/null | awk 'NR==2 {print $4}'; }
echo "bash=yes"
echo "user=$(id -un)"
echo "now=$(date +%s)"
echo "docker=$(have docker)"
echo "daemon=$(timeout 5 docker info --format '{{.ServerVersion}}' 2>&1 | head -1)"
r=$(timeout 5 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
echo "root=$r"
d=${dataDir}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done
echo "data_free=$(free "$d")"
echo "data_writable=$([ -w "$d" ] && echo yes || echo no)"
echo "docker_free=$(free "\${r:-/var/lib/docker}")"
echo "socket_client=$(for c in socat nc perl python3; do [ "$(have $c)" = yes ] && { echo $c; break; }; done)"
echo "curl=$(have curl)"
echo "nvidia=$(have nvidia-smi)"
echo "gpu_memory=$(timeout 5 nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | tr '\\n' ' ')"
echo "gpu_toolkit=$([ "$(have nvidia-container-runtime-hook)$(have nvidia-container-runtime)$(have nvidia-ctk)" = nonono ] && echo no || echo yes)"
`;

/** What ssh says → what is wrong, and what to do. */
const SSH_ERRORS: [RegExp, string, string][] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known/i,
    "its host key is not the pinned one",
    "find out why; if the host was set up anew, pin its new key in the known_hosts file",
  ],
  [
    /Permission denied/i,
    "it refuses this SSH key",
    "put the public key into its ~/.ssh/authorized_keys, or set ssh.privateKeyFile",
  ],
  [/Connection refused/i, "nothing answers on its SSH port", "start sshd there, or correct the port"],
  [/Could not resolve hostname|Name or service not known/i, "its name does not resolve", "correct its address"],
  [
    /timed out|No route to host|Network is unreachable/i,
    "it cannot be reached",
    "switch it on, check the network and its address, or take it out of the stack",
  ],
  [/bash: .*not found|command not found/i, "it has no bash", "install bash there"],
];

function unreachable({ stderr, timedOut, exitCode }: Said): [string, string] {
  const known = SSH_ERRORS.find(([pattern]) => pattern.test(stderr));
  if (known) return [known[1], known[2]];
  if (timedOut)
    return ["it does not answer", "switch it on, check the network and its address, or take it out of the stack"];
  return [`ssh ended with ${exitCode}: ${stderr.trim().split("\n").pop() ?? ""}`, "try the same with ssh by hand"];
}

/** Memory that the driver keeps for itself, of what the settings say. */
const GPU_TOLERANCE = 0.03;

/** The driver, Docker's way to it, and whether the GPUs are those of the settings. */
function gpuFaults(facts: Map<string, string>, { gpus }: HostSettings): [string, string][] {
  if (facts.get("nvidia") !== "yes") {
    const fix = "install the NVIDIA driver and container toolkit, or set gpus: 0";
    return [["an engine here asks for GPUs, and there is no nvidia-smi", fix]];
  }
  const there = (facts.get("gpu_memory") ?? "").split(" ").filter(Boolean).map(Number);
  if (there.length === 0) return [["nvidia-smi shows no GPU", "look at what `nvidia-smi` says there"]];
  const found: [string, string][] = [];
  if (facts.get("gpu_toolkit") === "no")
    found.push(["Docker has no way to its GPUs", "install the NVIDIA container toolkit, and restart Docker"]);
  if (gpus && there.length < gpus.count)
    found.push([`it has ${there.length} GPUs, and the settings say ${gpus.count}`, "correct gpus of the host"]);
  const least = Math.min(...there);
  if (gpus && least < gpus.memoryMiB * (1 - GPU_TOLERANCE))
    found.push([`its GPUs have ${least} MiB, and the settings say ${gpus.memoryMiB}`, "correct gpus of the host"]);
  return found;
}

function faults(facts: Map<string, string>, { dataDir, diskMiB, gpus, fetches, host }: Checked): [string, string][] {
  const found: [string, string][] = [];
  const user = facts.get("user") ?? "";
  if (facts.get("docker") !== "yes") found.push(["docker is not installed", "install Docker Engine there"]);
  else if (!/^\d+\./.test(facts.get("daemon") ?? "")) {
    const denied = /permission denied/i.test(facts.get("daemon") ?? "");
    found.push(
      denied
        ? [`${user} may not use docker`, `add ${user} to the docker group`]
        : ["its Docker daemon does not answer", "systemctl start docker"],
    );
  }
  if (facts.get("data_writable") === "no")
    found.push([`${user} cannot write ${dataDir}`, `create it and give it to ${user}`]);
  for (const [fact, where] of [
    ["data_free", dataDir],
    ["docker_free", facts.get("root") ?? "Docker's folder"],
  ] as const) {
    const free = Number(facts.get(fact));
    if (facts.get(fact) && free < diskMiB)
      found.push([
        `only ${free} MiB are free for ${where}, ${diskMiB} are needed`,
        "free some space, as with `docker system prune`",
      ]);
  }
  if (!facts.get("socket_client")) found.push(["none of socat, nc, perl, python3 is there", "install socat"]);
  if (fetches && facts.get("curl") === "no")
    found.push(["models are fetched here, and there is no curl", "install curl"]);
  if (gpus) found.push(...gpuFaults(facts, host));
  const skew = Math.abs(Number(facts.get("now")) - Date.now() / 1000);
  if (host.kind === "ssh" && skew > CLOCK_SKEW_SECONDS)
    found.push([`its clock is ${Math.round(skew)} s off`, "start a time service there"]);
  return [...new Map(found.map((one) => [one[0], one])).values()];
}

async function check(one: Checked): Promise<string | undefined> {
  const said = await one.shell(script(one.dataDir), LIMIT_SECONDS);
  const facts = new Map(
    said.stdout.split("\n").map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]),
  );
  const found = facts.has("now") ? faults(facts, one) : [unreachable(said)];
  if (found.length === 0) return undefined;
  const place = one.host.kind === "ssh" ? ` (${one.host.address})` : " (this machine)";
  return `${one.name}${place}: ${found.map(([wrong]) => wrong).join("; ")}. Fix: ${found.map(([, fix]) => fix).join("; ")}.`;
}

/** The hosts that are not ready, a line each; empty when an update may begin. */
export async function preflight(hosts: Checked[]): Promise<string[]> {
  const lines = await Promise.all(hosts.map(check));
  return lines.filter((line) => line !== undefined);
}
