/** The files of a release as one text: what a host's tool unpacks, and what a preview shows as a diff. */
export function renderBundle(files: Record<string, string>): string {
  return Object.keys(files)
    .sort()
    .map((name) => {
      const text = files[name] ?? "";
      if (!/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(name) || name.split("/").includes("..")) {
        throw new Error(`"${name}" is no name of a file in a release`);
      }
      return `==> ${name} ${new TextEncoder().encode(text).length}\n${text}\n`;
    })
    .join("");
}

/** Environment variables as a file that a POSIX shell sources. */
export function renderEnvFile(variables: Record<string, string>): string {
  return Object.keys(variables)
    .sort()
    .map((name) => `${name}='${(variables[name] ?? "").replaceAll("'", `'\\''`)}'\n`)
    .join("");
}
