/** Stand-in for the `random` plugin: RandomPassword. */
import { randomInt } from "node:crypto";
import bcrypt from "bcryptjs";
import { type Checked, type Difference, type Provider, ProviderError, type ResourceType } from "../provider.ts";
import { serve } from "../serve.ts";
import { equal, type Properties, revealAll, secret, UNKNOWN, type Value } from "../wire.ts";

const ALPHABETS = {
  special: "!@#$%&*()-_=+[]{}<>:?",
  upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  lower: "abcdefghijklmnopqrstuvwxyz",
  numeric: "0123456789",
};
type Alphabet = keyof typeof ALPHABETS;
const NAMES = Object.keys(ALPHABETS) as Alphabet[];
const minimumOf = (name: Alphabet) => `min${name[0]?.toUpperCase()}${name.slice(1)}`;

/** The inputs with every default, as the state has them. */
function complete(inputs: Properties): Properties {
  const all: Properties = { ...inputs, length: inputs.length as Value };
  const numeric = inputs.numeric ?? inputs.number ?? true;
  for (const name of NAMES) {
    all[name] = name === "numeric" ? numeric : (inputs[name] ?? true);
    all[minimumOf(name)] = inputs[minimumOf(name)] ?? 0;
  }
  all.number = numeric;
  return all;
}

function generate(all: Properties): string {
  const alphabet = (name: Alphabet) =>
    name === "special" && typeof all.overrideSpecial === "string" ? all.overrideSpecial : ALPHABETS[name];
  const pick = (from: string) => from[randomInt(from.length)] as string;
  const every = NAMES.filter((name) => all[name] === true)
    .map(alphabet)
    .join("");
  const letters = NAMES.flatMap((name) =>
    Array.from({ length: Number(all[minimumOf(name)]) }, () => pick(alphabet(name))),
  );
  while (letters.length < Number(all.length)) letters.push(pick(every));
  for (let i = letters.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [letters[i], letters[j]] = [letters[j] as string, letters[i] as string];
  }
  return letters.join("");
}

function check(news: Properties): Checked {
  const inputs = revealAll(news) as Properties;
  const { length } = inputs;
  if (length === undefined) {
    const reason =
      "Missing required property 'length': The length of the string desired. The minimum value for length is 1 and, length must also be >= (`min_upper` + `min_lower` + `min_numeric` + `min_special`).";
    return { inputs, failures: [{ property: "", reason }] };
  }
  if (length === UNKNOWN) return { inputs, failures: [] };
  if (typeof length !== "number") {
    throw new ProviderError(
      "UNKNOWN",
      `cannot encode resource inputs to call ValidateResourceConfig: objectEncoder failed on property "length": Expected a Number, got resource.PropertyValue{V:${JSON.stringify(length)}} true`,
    );
  }
  const refuse = (why: string) => ({
    inputs,
    failures: [
      {
        property: "",
        reason: `Invalid Attribute Value. Attribute length value must be at least ${why}, got: ${length}. Examine values at 'r.length'.`,
      },
    ],
  });
  if (length < 1) return refuse("1");
  const minimums = NAMES.reduce((sum, name) => sum + Number(inputs[minimumOf(name)] ?? 0), 0);
  if (length < minimums) return refuse("sum of min_upper + min_lower + min_numeric + min_special");
  return { inputs, failures: [] };
}

const withSecrets = (all: Properties, result: string, bcryptHash: string): Properties => ({
  ...all,
  id: "none",
  result: secret(result),
  bcryptHash: secret(bcryptHash),
});
/** bcrypt reads 72 bytes at most. */
const hash = (password: string) => bcrypt.hashSync(Buffer.from(password).subarray(0, 72).toString(), 10);

const password: ResourceType = {
  check: (_olds, news) => check(news),
  /** Every change is a replacement, and there is no detailed diff. */
  diff({ properties }, news, { ignoreChanges }): Difference {
    const now = complete(news);
    const compared = ["length", "keepers", "overrideSpecial", "number", ...NAMES, ...NAMES.map(minimumOf)];
    const replaces = compared.filter((name) => !ignoreChanges.includes(name) && !equal(properties[name], now[name]));
    return {
      changes: replaces.length > 0 ? "DIFF_SOME" : "DIFF_NONE",
      replaces,
      diffs: replaces,
      deleteBeforeReplace: false,
      hasDetailedDiff: false,
    };
  },
  async create(inputs, { preview }) {
    const all = complete(inputs);
    if (preview) return { id: "", properties: { ...all, id: UNKNOWN, result: UNKNOWN, bcryptHash: UNKNOWN } };
    const result = generate(all);
    return { id: "none", properties: withSecrets(all, result, hash(result)) };
  },
  async read({ id, properties, inputs }) {
    if (properties.result === undefined) {
      const imported = complete({ length: id.length });
      const inputsOf = Object.fromEntries(Object.entries(imported).filter(([name]) => !name.startsWith("min")));
      return { id: "none", properties: withSecrets(imported, id, hash(id)), inputs: inputsOf };
    }
    const bare = revealAll(properties) as Properties;
    return { id, properties: withSecrets(bare, bare.result as string, bare.bcryptHash as string), inputs };
  },
  async update() {
    throw new ProviderError("UNKNOWN", "RandomPassword is never updated, only replaced");
  },
  async delete() {},
};

const provider: Provider = {
  name: "random",
  version: "4.21.2",
  capabilities: { secrets: false, resources: true, outputs: false, autonaming: true },
  types: { "random:index/randomPassword:RandomPassword": password },
  unknownType: (token) => new ProviderError("UNKNOWN", `[pf/tfbridge] unknown resource token: ${token}`),
  checkConfig: (news) => ({ inputs: news, failures: [] }),
  diffConfig: (olds, news) => ({
    changes: "DIFF_UNKNOWN",
    replaces: [],
    diffs: [],
    deleteBeforeReplace: false,
    hasDetailedDiff: true,
    ...(!equal(olds.version, news.version) && { detailed: { version: { kind: "UPDATE", inputDiff: true } } }),
  }),
  configure: async () => {},
};

serve(provider);
