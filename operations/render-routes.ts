/** The routing table and its changes as text. */
import { createColors } from "picocolors";
import type { CompactRoute } from "../config/compact-routes.ts";
import type { Change } from "./compare-routes.ts";

/** `a: 1`, `a: 2`, `b: 3` → `a: 1, 2; b: 3`. */
function grouped(values: string[]): string {
  const groups = new Map<string, string[]>();
  for (const value of values) {
    const [, of = "", text = value] = /^(\S+): (.*)$/.exec(value) ?? [];
    groups.set(of, [...(groups.get(of) ?? []), text]);
  }
  return [...groups].map(([of, texts]) => `${of}: ${texts.join(", ")}`).join("; ");
}

const chain = (names: string[]) => names.join(" → ");
const TITLES: [
  Exclude<keyof CompactRoute, "answers" | "cache" | "context_length">,
  string,
  (values: string[]) => string,
][] = [
  ["on_error", "on error", chain],
  ["on_context_window", "too long", chain],
  ["on_content_policy", "refused", chain],
  ["limits", "limits", grouped],
  ["prices", "price", grouped],
  ["capabilities", "can", (names) => names.join(", ")],
  ["aliases", "also", (names) => names.join(", ")],
];

export function renderRoutes(routes: Record<string, CompactRoute>, colour = false): string {
  const { bold, dim } = createColors(colour);
  const lines = Object.entries(routes).flatMap(([name, route]) => [
    bold(name),
    ...route.answers.map((answer) => `  ${answer}`),
    ...TITLES.flatMap(([list, title, shown]) => {
      const values = route[list] ?? [];
      return values.length > 0 ? [`  ${dim(title.padEnd(9))} ${shown(values)}`] : [];
    }),
    ...(route.context_length === undefined ? [] : [`  ${dim("context".padEnd(9))} ${route.context_length} tokens`]),
    ...(route.cache === false ? [`  ${dim("cache".padEnd(9))} never`] : []),
    "",
  ]);
  return lines.map((line) => `${line}\n`).join("");
}

const MARKS: Partial<Record<Change["kind"], string>> = { added: "+", removed: "-" };

export function renderChanges(changes: Change[], colour = false): string {
  const { red, green, yellow, dim } = createColors(colour);
  if (changes.length === 0) return "Nothing changes for a caller.\n";
  return changes
    .map(({ route, kind, text }) => {
      const mark = MARKS[kind] ?? "~";
      const paint = mark === "+" ? green : mark === "-" ? red : yellow;
      return `${paint(`${mark} ${route}`)}  ${dim(kind)}  ${text}\n`;
    })
    .join("");
}
