/** What is wrong with the settings: where, why, and what to do. */

export type Severity = "error" | "warning";

export interface Problem {
  file: string;
  /** 1-based; left out where the value has no place in a file. */
  line?: number;
  column?: number;
  /** Path of the setting, as `hosts.gpu1.port`. */
  path: string;
  /** Which check found it, as `fallbacks`. */
  rule: string;
  /** A warning stops nothing. Default: error. */
  severity?: Severity;
  message: string;
  fix: string;
}

/** `file:line:column  path: what is wrong. Fix: what to do.` */
export function formatProblem({ file, line, column, path, severity, message, fix }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  const kind = severity === "warning" ? "warning: " : "";
  return `${place}  ${kind}${path === "" ? "" : `${path}: `}${message}. Fix: ${fix}.`;
}

export const isError = ({ severity }: Problem) => severity !== "warning";

export type Path = (string | number)[];
/** Reports a problem at a path of the document that the reporter belongs to. */
export type Report = (path: Path, message: string, fix: string, severity?: Severity) => void;

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

/** Changes of a letter between two words, or more than `limit`, whichever is known first. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const here = Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, change);
      row.push(here);
      if (here < least) least = here;
    }
    if (least > limit) return limit + 1;
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** The valid name that is nearest to a misspelt one, if any is near at all. */
export function nearest(name: string, valid: Iterable<string>): string | undefined {
  const word = name.slice(0, 200).toLowerCase();
  let far = Math.max(2, Math.floor(word.length / 3));
  let best: string | undefined;
  for (const other of valid) {
    const away = distance(word, other.toLowerCase(), far);
    if (away > far || (away === far && best !== undefined)) continue;
    [best, far] = [other, away];
  }
  return best;
}

/** "write X" when a valid name is near, else the list of valid names. */
export function suggest(name: string, valid: Iterable<string>): string {
  const near = nearest(name, valid);
  if (near !== undefined) return `write "${near}"`;
  const names = [...valid].sort();
  if (names.length === 0) return "there is none to name yet; add one first";
  const shown = names.slice(0, 8).join(", ");
  return `use one of ${shown}${names.length > 8 ? `, … (${names.length} in all)` : ""}`;
}

/** Suggestions cost a walk over all names: after these, a file with thousands of mistakes gets plain advice. */
const SUGGESTIONS = 50;

/** `suggest` among always the same names. */
export function suggester(valid: ReadonlySet<string>): (name: string) => string {
  let left = SUGGESTIONS;
  return (name) => (left-- > 0 ? suggest(name, valid) : `use one of the ${valid.size} names there are`);
}
