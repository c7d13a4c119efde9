/** What the lab needs of this machine. */
import { access } from "node:fs/promises";
import { execa } from "execa";

/** A program the lab runs → the Debian package that has it. */
const PROGRAMS: Record<string, string> = {
  "/usr/bin/mmdebstrap": "mmdebstrap",
  "/usr/bin/docker-registry": "docker-registry",
  "/usr/bin/skopeo": "skopeo",
  "/usr/bin/umoci": "umoci",
  "/usr/sbin/ip": "iproute2",
  "/usr/bin/ssh": "openssh-client",
  "/usr/bin/nsenter": "util-linux",
};
const PYTHON_VENV = "python3-venv";

const missing = async (path: string) =>
  access(path).then(
    () => false,
    () => true,
  );

/** Installs the Debian packages that are not there. Returns their names. */
export async function preparePackages(say: (message: string) => void): Promise<string[]> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      "the lab makes network namespaces and file systems, so it needs root. Fix: run it as root, in a machine or VM you can lose",
    );
  }
  const wanted: string[] = [];
  for (const [path, name] of Object.entries(PROGRAMS)) if (await missing(path)) wanted.push(name);
  if ((await execa("python3", ["-c", "import venv, ensurepip"], { reject: false })).exitCode !== 0)
    wanted.push(PYTHON_VENV);
  if (wanted.length === 0) return [];
  if (await missing("/usr/bin/apt-get")) {
    throw new Error(
      `the lab needs ${wanted.join(", ")}, and this machine has no apt-get to install them. Fix: install them, or use a Debian-like machine`,
    );
  }
  say(`installing ${wanted.join(" ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await execa("apt-get", ["update", "-qq"], { env });
  await execa("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...wanted], { env });
  // The package starts a registry of its own; the lab runs one with its own settings.
  await execa("systemctl", ["disable", "--now", "docker-registry"], { reject: false });
  return wanted;
}
