/** Routes: every name must be there, once, and lead somewhere. */
import { nearest, type Path, type Report, suggester } from "../problems.ts";
import { capabilityRoute, type RoutingTable } from "../routing-table.ts";
import type { Mappings } from "../schema/mappings.ts";
import { CAPABILITIES, capabilitiesOf, type ProviderSettings } from "../schema/providers.ts";

export interface Known {
  mappings: Mappings;
  providers: Record<string, ProviderSettings>;
  table: RoutingTable;
}

/** Which models there are, and who has them. */
function served(providers: Record<string, ProviderSettings>) {
  const all = new Map(Object.entries(providers));
  const modelsOf = new Map([...all].map(([name, { models }]) => [name, new Set(models.map((model) => model.name))]));
  const providersOf = new Map<string, string[]>();
  for (const [provider, models] of modelsOf) {
    for (const model of models) {
      const known = providersOf.get(model);
      if (known) known.push(provider);
      else providersOf.set(model, [provider]);
    }
  }
  const suggestProvider = suggester(new Set(all.keys()));
  const suggestModel = suggester(new Set(providersOf.keys()));
  return { all, modelsOf, providersOf, suggestProvider, suggestModel };
}

export function checkRoutes({ mappings, providers, table }: Known, report: Report): void {
  const { all, modelsOf, providersOf, suggestProvider, suggestModel } = served(providers);
  const { exact_matches, capability_routing } = mappings.routing;

  /** One model at one provider, or at all of them. `at`: where the model and the provider are named. */
  function checkAnswer(model: string, provider: string | undefined, at: { model: Path; provider: Path }): void {
    if (provider === undefined) {
      const owners = providersOf.get(model) ?? [];
      const active = owners.filter((name) => all.get(name)?.status === "active");
      if (owners.length === 0) report(at.model, `no provider serves a model "${model}"`, suggestModel(model));
      else if (active.length === 0 && owners.every((name) => all.get(name)?.status === "disabled"))
        report(at.model, `all that serve "${model}" are disabled: ${owners.join(", ")}`, "make one of them active");
      return;
    }
    const settings = all.get(provider);
    if (!settings) report(at.provider, `no provider is named "${provider}"`, suggestProvider(provider));
    else if (settings.status === "disabled")
      report(at.provider, `"${provider}" is disabled`, "route to another provider, or make it active");
    else {
      const models = modelsOf.get(provider) as Set<string>;
      if (!models.has(model)) {
        const near = nearest(model, models);
        const others = providersOf.get(model);
        const fix = near
          ? `write "${near}"`
          : others
            ? `route to ${others.slice(0, 3).join(" or ")}, which serves it`
            : `use one of ${[...models].slice(0, 8).join(", ")}`;
        report(at.model, `"${provider}" serves no model "${model}"`, fix);
      } else if (settings.status === "draining") {
        report(
          at.provider,
          `"${provider}" is draining: it gets no new requests`,
          "route to another provider",
          "warning",
        );
      }
    }
  }

  for (const [name, match] of Object.entries(exact_matches)) {
    const path = ["routing", "exact_matches", name];
    const model = match.model ?? name;
    const atModel = match.model === undefined ? path : [...path, "model"];
    if (match.weights) {
      const at = [...path, "weights"];
      if (match.provider !== undefined)
        report([...path, "provider"], "there are weights, too", "remove provider, or the weights");
      if (!Object.values(match.weights).some((weight) => weight > 0))
        report(at, "no provider has a weight above 0", "give one of them a weight");
      for (const provider of Object.keys(match.weights))
        checkAnswer(model, provider, { model: [...at, provider], provider: [...at, provider] });
    } else checkAnswer(model, match.provider, { model: atModel, provider: [...path, "provider"] });
  }
  for (const [capability, entries] of Object.entries(capability_routing)) {
    const seen = new Set<string>();
    for (const [i, { model, provider }] of entries.entries()) {
      const path = ["routing", "capability_routing", capability, i];
      checkAnswer(model, provider, { model: [...path, "model"], provider: [...path, "provider"] });
      const id = `${model}@${provider ?? ""}`;
      if (seen.has(id)) report(path, `"${model}" is there twice`, "remove one of them");
      seen.add(id);
      checkCapability(capability, model, provider, path);
    }
    if (Object.hasOwn(exact_matches, capabilityRoute(capability)))
      report(["routing", "exact_matches", capabilityRoute(capability)], "is a capability, too", "rename one of them");
  }
  function checkCapability(capability: string, model: string, provider: string | undefined, path: Path): void {
    if (!(CAPABILITIES as readonly string[]).includes(capability)) return;
    for (const owner of provider === undefined ? (providersOf.get(model) ?? []) : [provider]) {
      const settings = all.get(owner)?.models.find((one) => one.name === model);
      // A model that says nothing of itself is not doubted.
      if (!settings?.capabilities || (capabilitiesOf(settings) as readonly string[]).includes(capability)) continue;
      const message = `"${model}" of "${owner}" does not say that it can do ${capability}`;
      report([...path, "model"], message, `add ${capability} to its capabilities, or take it out here`, "warning");
    }
  }
  checkNames(mappings, table, report);
  checkLeadsSomewhere(table, report);
}

/** Aliases, the default, and the models that limits are for. */
function checkNames({ routing, litellm_settings }: Mappings, { routes }: RoutingTable, report: Report): void {
  const suggestRoute = suggester(new Set(routes.keys()));
  for (const [alias, target] of Object.entries(routing.aliases)) {
    const path = ["routing", "aliases", alias];
    if (routes.has(alias)) report(path, `there is a route named "${alias}"`, "rename one of them");
    if (routes.has(target)) continue;
    const chained = Object.hasOwn(routing.aliases, target);
    if (chained) report(path, `"${target}" is an alias itself`, "name the route that it means");
    else report(path, `no route is named "${target}"`, suggestRoute(target));
  }
  const { default_model } = routing;
  if (default_model !== undefined && !routes.has(default_model))
    report(["routing", "default_model"], `no route is named "${default_model}"`, suggestRoute(default_model));
  const models = new Set([...routes.values()].flatMap(({ answers }) => answers.map((one) => one.upstream.model.name)));
  for (const model of Object.keys(litellm_settings.model_limits)) {
    if (models.has(model)) continue;
    const near = nearest(model, models);
    const fix = near ? `write "${near}"` : "remove it, or route to the model";
    report(["litellm_settings", "model_limits", model], `no route leads to a model "${model}"`, fix);
  }
}

/** A route that nobody answers, for one reason or another that is not reported yet: all are draining. */
function checkLeadsSomewhere({ routes }: RoutingTable, report: Report): void {
  for (const { name, kind, standsIn, answers } of routes.values()) {
    const path =
      kind === "exact"
        ? ["routing", "exact_matches", name]
        : ["routing", "capability_routing", name.slice(capabilityRoute("").length)];
    if (standsIn !== undefined) {
      const message = `its providers are draining or disabled, so its fallback "${standsIn}" answers`;
      report(path, message, "route to a provider that is active", "warning");
    } else if (answers.length === 0) {
      report(path, "nobody active answers it", "route to an active provider, or give it a fallback_chain");
    }
  }
}
