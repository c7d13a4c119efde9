/** Stand-in for the `docker` plugin: Container, Network, Volume, RemoteImage. */
import { type Checked, type Difference, type Provider, ProviderError } from "../provider.ts";
import { serve } from "../serve.ts";
import { equal, hasUnknown, isSecret, type Properties, reveal, secret, type Value } from "../wire.ts";
import { container } from "./container.ts";
import { Daemon } from "./daemon.ts";
import { remoteImage } from "./image.ts";
import { network } from "./network.ts";
import { volume } from "./volume.ts";

const SETTINGS =
  "host sshOpts registryAuth caMaterial certMaterial certPath keyMaterial context disableDockerDaemonCheck version".split(
    " ",
  );
const daemon = new Daemon();

/** Provider settings travel as text; JSON in them gets its keys sorted. */
function asText(value: Value): Value {
  const bare = reveal(value) as Value;
  let text: Value = typeof bare === "string" ? bare : JSON.stringify(bare);
  if (typeof text === "string" && text.startsWith("[{")) {
    const parsed = JSON.parse(text) as Record<string, unknown>[];
    text = JSON.stringify(
      parsed.map((one) => Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))),
    );
  }
  return isSecret(value) ? secret(text) : text;
}

const provider: Provider = {
  name: "docker",
  version: "5.2.0",
  capabilities: { secrets: false, resources: false, outputs: false, autonaming: true },
  types: {
    "docker:index/container:Container": container(daemon),
    "docker:index/network:Network": network(daemon),
    "docker:index/volume:Volume": volume(daemon),
    "docker:index/remoteImage:RemoteImage": remoteImage(daemon),
  },
  unknownType: (token) => new ProviderError("UNKNOWN", `unrecognized resource type (Check): ${token}`),
  checkConfig(news): Checked {
    const unknown = Object.keys(news).find((name) => !SETTINGS.includes(name));
    if (unknown) {
      const reason = `could not validate provider configuration: Invalid or unknown key. Examine values at 'p.${unknown}'.`;
      return { inputs: {}, failures: [{ property: "", reason }] };
    }
    return { inputs: Object.fromEntries(Object.entries(news).map(([k, v]) => [k, asText(v)])), failures: [] };
  },
  diffConfig(olds, news): Difference {
    const names = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
      (name) => !equal(olds[name], news[name]),
    );
    const known = hasUnknown(news) ? [] : names;
    return {
      changes: known.length > 0 ? "DIFF_SOME" : "DIFF_UNKNOWN",
      replaces: [],
      diffs: known,
      deleteBeforeReplace: false,
      hasDetailedDiff: false,
      detailed: Object.fromEntries(
        known.map((name) => [
          name,
          {
            kind: olds[name] === undefined ? "ADD" : news[name] === undefined ? "DELETE" : "UPDATE",
            inputDiff: true,
          } as const,
        ]),
      ),
    };
  },
  async configure(config: Properties) {
    const options = reveal(config.sshOpts);
    await daemon.configure(
      reveal(config.host) as string | undefined,
      typeof options === "string" ? (JSON.parse(options) as string[]) : ((options as string[]) ?? []),
    );
  },
};

serve(provider);
