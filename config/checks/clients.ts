/** Clients: what each may ask for must be there. */
import { type Report, suggester } from "../problems.ts";
import type { RoutingTable } from "../routing-table.ts";
import type { StackSettings } from "../schema/stack.ts";

export function checkClients({ clients }: StackSettings, { routes, aliases }: RoutingTable, report: Report): void {
  const suggestName = suggester(new Set([...routes.keys(), ...aliases.keys()]));
  for (const [i, { models }] of clients.entries()) {
    if (!models) continue;
    for (const [j, model] of models.entries()) {
      const path = ["clients", i, "models", j];
      if (!routes.has(aliases.get(model) ?? model)) report(path, `no route is named "${model}"`, suggestName(model));
    }
  }
}
