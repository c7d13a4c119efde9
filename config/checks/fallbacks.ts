/** Chains of fallbacks: where they lead, in circles or not, and what a caller loses on the way. */
import { type Path, type Report, suggester } from "../problems.ts";
import { commonCapabilities, LONGEST_CHAIN, type Route, type RoutingTable, shortestContext } from "../routing-table.ts";
import type { Mappings } from "../schema/mappings.ts";

const REASONS = ["fallback_chain", "context_window_fallbacks", "content_policy_fallbacks"] as const;

/** `hostOf`: the host a managed provider runs on, if that is known. */
export function checkFallbacks(
  { routing }: Mappings,
  table: RoutingTable,
  hostOf: (provider: string) => string | undefined,
  report: Report,
): void {
  const suggestRoute = suggester(new Set(table.routes.keys()));
  for (const [name, match] of Object.entries(routing.exact_matches)) {
    const path = ["routing", "exact_matches", name];
    for (const reason of REASONS) {
      const seen = new Set<string>();
      for (const [i, next] of (match[reason] ?? []).entries()) {
        const at = [...path, reason, i];
        const meant = table.aliases.get(next);
        if (next === name && reason !== "fallback_chain") report(at, "is the route itself", "remove it");
        else if (!table.routes.has(next)) {
          if (meant !== undefined) report(at, `"${next}" is an alias`, `write the route it means, "${meant}"`);
          else report(at, `no route is named "${next}"`, suggestRoute(next));
        } else if (seen.has(next)) report(at, `"${next}" is there twice`, "remove one of them");
        else compare(name, next, reason, match.strict, at);
        seen.add(next);
      }
    }
    const route = table.routes.get(name) as Route;
    if (route.onError.length > LONGEST_CHAIN) {
      const message = `has more than ${LONGEST_CHAIN} fallbacks, with those of its fallbacks`;
      report([...path, "fallback_chain"], message, "shorten it: each one more is another wait for the caller");
    }
    const where = singlePoint(route);
    if (where !== undefined) {
      const message = `every fallback ends at ${where}: when that is down, the chain is`;
      report([...path, "fallback_chain"], message, "add a route that leads elsewhere", "warning");
    }
  }
  for (const cycle of cycles(routing.exact_matches)) {
    const path = ["routing", "exact_matches", cycle[0] as string, "fallback_chain"];
    report(path, `falls back to itself: ${shown(cycle)}`, "break the circle");
  }

  /** What a caller loses when `to` answers for `from`. */
  function compare(from: string, to: string, reason: string, strict: boolean, at: Path): void {
    const [first, next] = [table.routes.get(from), table.routes.get(to)];
    if (!first || !next || first.answers.length === 0 || next.answers.length === 0) return;
    const severity = strict ? "error" : "warning";
    const there = commonCapabilities(next);
    const missing = commonCapabilities(first).filter((capability) => !there.includes(capability));
    if (missing.length > 0)
      report(at, `"${to}" lacks ${missing.join(", ")}, which "${from}" has`, "choose another, or accept it", severity);
    const [length, theirs] = [shortestContext(first), shortestContext(next)];
    if (length === undefined || theirs === undefined) return;
    const short = `"${to}" has a context of ${theirs} tokens, and "${from}" ${length}`;
    if (reason === "context_window_fallbacks" && theirs <= length)
      report(at, `${short}: it helps no request that is too long`, "choose one with a longer context");
    else if (theirs < length) report(at, short, "choose another, or accept it", severity);
  }

  /** The one provider or host on which a chain hangs; none when it has no chain, or several. */
  function singlePoint({ name, answers, onError }: Route): string | undefined {
    if (onError.length === 0 || answers.length === 0) return undefined;
    const all = [name, ...onError].flatMap((one) => table.routes.get(one)?.answers ?? []);
    const providers = new Set(all.map(({ upstream }) => upstream.provider));
    const [only] = providers;
    if (providers.size === 1) return `the provider "${only}"`;
    const hosts = new Set([...providers].map(hostOf));
    const [host] = hosts;
    return hosts.size === 1 && host !== undefined ? `the host "${host}"` : undefined;
  }
}

/** A long circle by its beginning and its end. */
function shown(cycle: string[]): string {
  const parts = cycle.length > 12 ? [...cycle.slice(0, 8), "…", ...cycle.slice(-3)] : cycle;
  return parts.join(" → ");
}

/** Every circle that a walk from the top closes, its first name again at the end. */
function cycles(matches: Mappings["routing"]["exact_matches"]): string[][] {
  const chains = new Map(Object.entries(matches).map(([name, match]) => [name, match.fallback_chain]));
  const done = new Set<string>();
  const found: string[][] = [];
  for (const start of chains.keys()) {
    const trail: { name: string; next: number }[] = done.has(start) ? [] : [{ name: start, next: 0 }];
    const place = new Map<string, number>([[start, 0]]);
    while (trail.length > 0) {
      const top = trail.at(-1) as { name: string; next: number };
      const next = chains.get(top.name)?.[top.next++];
      if (next === undefined) {
        done.add(top.name);
        place.delete(top.name);
        trail.pop();
      } else if (place.has(next)) {
        found.push([...trail.slice(place.get(next)).map(({ name }) => name), next]);
      } else if (chains.has(next) && !done.has(next)) {
        place.set(next, trail.length);
        trail.push({ name: next, next: 0 });
      }
    }
  }
  return found;
}
