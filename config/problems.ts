/** What is wrong with the settings: where, why, and what to do. */

export interface Problem {
  file: string;
  /** 1-based; left out where the value has no place in a file. */
  line?: number;
  column?: number;
  /** Path of the setting, as `hosts.gpu1.port`. */
  path: string;
  message: string;
  fix: string;
}

/** `file:line:column  path: what is wrong. Fix: what to do.` */
export function formatProblem({ file, line, column, path, message, fix }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  return `${place}  ${path === "" ? "" : `${path}: `}${message}. Fix: ${fix}.`;
}

/** All problems of a set of settings, in the order of the files. */
export class SettingsError extends Error {
  constructor(readonly problems: Problem[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(
      `${count} in the settings, nothing was touched:\n${problems.map((one) => `  ${formatProblem(one)}`).join("\n")}`,
    );
    this.name = "SettingsError";
  }
}

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, change));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** The valid name that is nearest to a misspelt one, if any is near at all. */
export function nearest(name: string, valid: Iterable<string>): string | undefined {
  const ranked = [...valid]
    .map((other) => ({ other, far: distance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  const best = ranked[0];
  return best && best.far <= Math.max(2, Math.floor(name.length / 3)) ? best.other : undefined;
}

/** "write X" when a valid name is near, else the list of valid names. */
export function suggest(name: string, valid: Iterable<string>): string {
  const names = [...valid].sort();
  const near = nearest(name, names);
  if (near) return `write "${near}"`;
  if (names.length === 0) return "there is none to name yet; add one first";
  const shown = names.slice(0, 8).join(", ");
  return `use one of ${shown}${names.length > 8 ? `, … (${names.length} in all)` : ""}`;
}
