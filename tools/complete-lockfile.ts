/**
 * `npm run lockfile`: after `npm install` behind a registry that does not serve packages for
 * other platforms, npm leaves those out of package-lock.json, and `npm ci` then refuses it.
 * This puts them back, by what their parents ask for and what their names say.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Entry {
  version?: string;
  optionalDependencies?: Record<string, string>;
  [field: string]: unknown;
}

const CPUS: Record<string, string> = {
  arm64: "arm64",
  x64: "x64",
  ia32: "ia32",
  arm: "arm",
  ppc64: "ppc64",
  s390x: "s390x",
  riscv64: "riscv64",
  loong64: "loong64",
  loongarch64: "loong64",
  mips64el: "mips64el",
};
const SYSTEMS = ["darwin", "linux", "win32", "android", "freebsd", "netbsd", "openbsd", "sunos", "aix", "openharmony"];

const file = join(import.meta.dirname, "..", "package-lock.json");
const lock: { packages: Record<string, Entry> } = JSON.parse(readFileSync(file, "utf8"));
const added: string[] = [];
for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path]?.version || !/^\d/.test(version)) continue;
    const words = name.split(/[/-]/);
    const os = words.filter((word) => SYSTEMS.includes(word));
    const cpu = words.flatMap((word) => CPUS[word] ?? []);
    if (os.length === 0) continue;
    const libc = words.includes("musl")
      ? ["musl"]
      : words.some((word) => word.startsWith("gnu"))
        ? ["glibc"]
        : undefined;
    lock.packages[path] = {
      version,
      ...(cpu.length > 0 && { cpu }),
      ...(parent.dev === true && { dev: true }),
      ...(libc && os[0] === "linux" && { libc }),
      optional: true,
      os,
    };
    added.push(`${name}@${version}`);
  }
}
const [root = "", ...paths] = Object.keys(lock.packages);
lock.packages = Object.fromEntries(
  [root, ...paths.sort((a, b) => a.localeCompare(b, "en"))].map((path) => [path, lock.packages[path] as Entry]),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(added.length > 0 ? `added ${added.length}: ${added.join(" ")}\n` : "nothing was missing\n");
