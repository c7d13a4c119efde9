/** Two routing tables → what changes for a caller. */
import type { CompactRoute } from "../config/compact-routes.ts";

export interface Change {
  route: string;
  kind: "added" | "removed" | "re-routed" | "fallback" | "limits" | "prices" | "names" | "abilities" | "cache";
  /** What it means for a caller. */
  text: string;
}

type Routes = Record<string, CompactRoute>;
type List = Exclude<keyof CompactRoute, "answers" | "cache" | "context_length">;

/** Lists that are compared as a whole: what they are called, and which kind of change it is. */
const LISTS: [List, Change["kind"], string][] = [
  ["on_error", "fallback", "after an error"],
  ["on_context_window", "fallback", "when a request is too long"],
  ["on_content_policy", "fallback", "when the content is refused"],
  ["limits", "limits", "limits"],
  ["prices", "prices", "prices"],
  ["capabilities", "abilities", "can do"],
  ["aliases", "names", "also called"],
];

/** A name that is gone is gone for its callers, whether it was a route or an alias. */
function names(routes: Routes): Map<string, string> {
  const all = new Map<string, string>();
  for (const [route, { aliases = [] }] of Object.entries(routes)) {
    all.set(route, route);
    for (const alias of aliases) all.set(alias, route);
  }
  return all;
}

export function compareRoutes(before: Routes, after: Routes): Change[] {
  const changes: Change[] = [];
  const [old, now] = [names(before), names(after)];
  for (const route of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[route], after[route]];
    if (was === undefined && is !== undefined) {
      const text = old.has(route) ? `was an alias of ${old.get(route)}, now answered by` : "new, answered by";
      changes.push({ route, kind: "added", text: `${text} ${is.answers.join(" · ")}` });
    } else if (was !== undefined && is === undefined) {
      const meant = now.get(route);
      const text = meant === undefined ? "gone: callers get 400" : `now an alias of ${meant}`;
      changes.push({ route, kind: meant === undefined ? "removed" : "re-routed", text });
    } else if (was !== undefined && is !== undefined) changes.push(...compare(route, was, is));
  }
  return changes;
}

/** `1. tiny@llama (…)` → `tiny@llama`. */
const idsOf = ({ answers }: CompactRoute) => answers.map((answer) => answer.split(" ")[1] as string);

function compare(route: string, was: CompactRoute, is: CompactRoute): Change[] {
  const changes: Change[] = [];
  if (was.answers.join("\n") !== is.answers.join("\n"))
    changes.push({ route, kind: "re-routed", text: `${was.answers.join(" · ")} → ${is.answers.join(" · ")}` });
  // Limits and prices of who is no longer asked, or newly, are part of the new route.
  const both = idsOf(was).filter((id) => idsOf(is).includes(id));
  const kept = (list: string[] = []) => {
    const about = (line: string) => /^(\S+@\S+): /.exec(line)?.[1];
    return list.filter((line) => about(line) === undefined || both.includes(about(line) as string));
  };
  for (const [list, kind, title] of LISTS) {
    const [old, now] = [kept(was[list]), kept(is[list])];
    const [gone, come] = [old.filter((one) => !now.includes(one)), now.filter((one) => !old.includes(one))];
    const moved = gone.length + come.length === 0 && old.join("\n") !== now.join("\n");
    const parts = [
      ...gone.map((one) => `- ${one}`),
      ...come.map((one) => `+ ${one}`),
      ...(moved ? [`order now ${now.join(" → ")}`] : []),
    ];
    if (parts.length > 0) changes.push({ route, kind, text: `${title}: ${parts.join(", ")}` });
  }
  if (was.context_length !== is.context_length) {
    const text = `context: ${was.context_length ?? "not said"} → ${is.context_length ?? "not said"} tokens`;
    changes.push({ route, kind: "abilities", text });
  }
  if (was.cache !== is.cache)
    changes.push({
      route,
      kind: "cache",
      text: is.cache === false ? "answers are no longer kept" : "answers are kept",
    });
  return changes;
}
