import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { loadSettings, NAMESPACE } from "../../config/load.ts";
import { formatProblem, nearest, SettingsError, suggest } from "../../config/problems.ts";

const STACK = `config:
  ai-backend:hosts:
    gateway: { kind: ssh, address: 10.0.0.10 }
    gpu1:
      kind: ssh
      address: 10.0.0.12
      bastion: gateway
    here: { kind: local }
  ai-backend:ssh:
    privateKeyFile: id
    knownHostsFile: known_hosts
  ai-backend:placement:
    gateway: gateway
    providers:
      llama: gpu1
  ai-backend:clients:
    - name: app
`;
const PROVIDERS = `providers:
  llama:
    type: llama_cpp
    engine:
      model: { path: /srv/tiny.gguf }
      context_length: 1024
    models:
      - name: tiny
        context_length: 1024
  cloud:
    type: openai
    api_key: \${OPENAI_API_KEY}
    models:
      - name: gpt-4o
      - name: gpt-4o-mini
`;
const MAPPINGS = `routing:
  exact_matches:
    tiny:
      provider: llama
      fallback_chain: [gpt-4o]
    gpt-4o:
      provider: cloud
`;
const KNOWN = "10.0.0.10 ssh-ed25519 AAAA\n10.0.0.12 ssh-ed25519 BBBB\n";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "ai-backend-load-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Files {
  stack?: string;
  providers?: string;
  mappings?: string;
  known?: string | null;
  secrets?: Record<string, "secret" | "plain">;
}

function load({
  stack = STACK,
  providers = PROVIDERS,
  mappings = MAPPINGS,
  known = KNOWN,
  secrets = { OPENAI_API_KEY: "secret" },
}: Files = {}) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(join(dir, "config/t"), { recursive: true });
  writeFileSync(join(dir, "Pulumi.t.yaml"), stack);
  writeFileSync(join(dir, "id"), "key");
  if (known !== null) writeFileSync(join(dir, "known_hosts"), known);
  writeFileSync(join(dir, "config/t/providers.yaml"), providers);
  writeFileSync(join(dir, "config/t/model-mappings.yaml"), mappings);
  const config: Record<string, unknown> = parse(stack).config ?? {};
  const values = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace(`${NAMESPACE}:`, ""), value]),
  );
  return loadSettings({ stack: "t", projectDir: dir, values, secrets });
}

function problems(files: Files): string[] {
  try {
    load(files);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map(formatProblem);
  }
  return [];
}

describe("good settings", () => {
  test("defaults are filled in, paths are absolute, keys are pinned, secrets are only named", () => {
    const settings = load();
    expect(settings.edge).toEqual({ bind: "127.0.0.1", port: 4000, allowedOrigins: [] });
    expect(settings.images.gateway).toMatch(/litellm/);
    expect(settings.ssh).toEqual({ knownHostsFile: join(dir, "known_hosts"), privateKeyFile: join(dir, "id") });
    expect(settings.hostKeys).toEqual({ gateway: "ssh-ed25519 AAAA", gpu1: "ssh-ed25519 BBBB" });
    expect(settings.secretNames).toEqual(["OPENAI_API_KEY"]);
    expect(settings.providers.llama?.engine?.parallel).toBe(1);
    expect(settings.mappings.routing.exact_matches["gpt-4o"]?.fallback_chain).toEqual([]);
  });
  test("a disabled provider needs no secret, an agent needs no key file, local hosts need no ssh", () => {
    const off = PROVIDERS.replace("type: openai", "type: openai\n    status: disabled");
    expect(
      load({ providers: off, secrets: {}, mappings: "routing: { exact_matches: { tiny: { provider: llama } } }" })
        .secretNames,
    ).toEqual([]);
    expect(load({ stack: STACK.replace("    privateKeyFile: id\n", "") }).ssh).toEqual({
      knownHostsFile: join(dir, "known_hosts"),
    });
    const local = `config:
  ai-backend:hosts: { box: { kind: local } }
  ai-backend:placement: { gateway: box, providers: { llama: box } }
  ai-backend:clients: [{ name: me }]
`;
    expect(load({ stack: local }).hostKeys).toEqual({});
  });
});

/** What is changed → the one problem that must be reported. */
const TABLE: [string, Files, RegExp][] = [
  [
    "a typo in a key",
    { stack: STACK.replace("address: 10.0.0.12", "adress: 10.0.0.12") },
    /^Pulumi\.t\.yaml:6:7 {2}hosts\.gpu1\.adress: unknown setting\. Fix: write "address"\.$/,
  ],
  [
    "a typo in a top key",
    { stack: STACK.replace("ai-backend:clients", "ai-backend:client") },
    /Pulumi\.t\.yaml:16:3 {2}client: unknown setting\. Fix: write "clients"/,
  ],
  [
    "an unknown key far from any",
    { providers: PROVIDERS.replace("    type: openai", "    zzzzzzzzzz: 1\n    type: openai") },
    /providers\.cloud\.zzzzzzzzzz: unknown setting\. Fix: remove it; known here: api_key, budget/,
  ],
  [
    "an unknown host",
    { stack: STACK.replace("llama: gpu1", "llama: gpu2") },
    /Pulumi\.t\.yaml:15:7 {2}placement\.providers\.llama: no host is named "gpu2"\. Fix: write "gpu1"/,
  ],
  [
    "an unknown gateway host",
    {
      stack: STACK.replace(
        "  ai-backend:placement:\n    gateway: gateway",
        "  ai-backend:placement:\n    gateway: nowhere",
      ),
    },
    /placement\.gateway: no host is named "nowhere"\. Fix: use one of gateway, gpu1, here/,
  ],
  [
    "a port out of range",
    { stack: `${STACK}  ai-backend:edge: { port: 70000 }\n` },
    /Pulumi\.t\.yaml:18:22 {2}edge\.port: must be a port from 1 to 65535\. Fix: write 65535 or less/,
  ],
  [
    "a port of words",
    { stack: `${STACK}  ai-backend:edge: { port: many }\n` },
    /edge\.port: must be a \w+.*, and is string/,
  ],
  [
    "a duplicate key",
    { providers: PROVIDERS.replace("  cloud:", "  llama:") },
    /^config\/t\/providers\.yaml:10:3 {2}this key is there twice\. Fix: remove or rename one of them\.$/,
  ],
  ["a duplicate client", { stack: `${STACK}    - name: app\n` }, /clients\.1\.name: there are two clients named "app"/],
  [
    "a duplicate model",
    { providers: PROVIDERS.replace("gpt-4o-mini", "gpt-4o") },
    /models\.1\.name: there are two models named "gpt-4o"/,
  ],
  [
    "a missing secret",
    { secrets: {} },
    /^config\/t\/providers\.yaml:12:5 {2}providers\.cloud\.api_key: the stack has no secret OPENAI_API_KEY\. Fix: run `pulumi config set --secret OPENAI_API_KEY --stack t`/,
  ],
  [
    "a secret in clear",
    { secrets: { OPENAI_API_KEY: "plain" } },
    /OPENAI_API_KEY is stored in clear\. Fix: .*and change the key/,
  ],
  [
    "a key written into the file",
    { providers: PROVIDERS.replace("\\${OPENAI_API_KEY}", "x").replace("${OPENAI_API_KEY}", "sk-real-and-secret") },
    /api_key: must be a reference.*never the key itself\. Fix: run `pulumi config set --secret NAME`/,
  ],
  [
    "no key",
    { providers: PROVIDERS.replace("    api_key: ${OPENAI_API_KEY}\n", "") },
    /providers\.cloud: has no api_key\. Fix: add api_key: \$\{OPENAI_API_KEY\}/,
  ],
  [
    "a moving tag",
    { stack: `${STACK}  ai-backend:images: { cache: "redis:latest" }\n` },
    /images\.cache: must name a version: this tag moves/,
  ],
  [
    "an image without a tag",
    { stack: `${STACK}  ai-backend:images: { cache: redis }\n` },
    /images\.cache: must be an image with a tag or digest/,
  ],
  [
    "a missing list",
    { stack: STACK.replace(/ {2}ai-backend:clients:\n.*\n/, "") },
    /clients: is missing\. Fix: add it; it must be a list/,
  ],
  [
    "an empty list",
    { stack: STACK.replace("clients:\n    - name: app", "clients: []") },
    /clients: needs at least one client.* Fix: add one/,
  ],
  [
    "a wrong kind of host",
    { stack: STACK.replace("kind: local", "kind: locl") },
    /hosts\.here\.kind: must be ssh or local\. Fix: write "local"/,
  ],
  ["a host that is no mapping", { stack: STACK.replace("here: { kind: local }", "here: 5") }, /hosts\.here.*: must be/],
  [
    "a name with capitals",
    { stack: STACK.replace("here:", "Here:") },
    /hosts\.Here: as a name, it must be 1 to 40 small letters/,
  ],
  [
    "a wrong type",
    { providers: PROVIDERS.replace("type: openai", "type: openia") },
    /providers\.cloud\.type: must be llama_cpp or .* Fix: write "openai"/,
  ],
  [
    "a wrong type far from any",
    { providers: PROVIDERS.replace("type: openai", "type: 7") },
    /providers\.cloud\.type: must be .* Fix: write llama_cpp/,
  ],
  [
    "GPUs of words",
    {
      providers: PROVIDERS.replace(
        "context_length: 1024\n    models",
        "context_length: 1024\n      gpus: some\n    models",
      ),
    },
    /engine\.gpus: must be a number, or all/,
  ],
  [
    "too little memory",
    {
      providers: PROVIDERS.replace(
        "context_length: 1024\n    models",
        "context_length: 1024\n      memory_mib: 1\n    models",
      ),
    },
    /memory_mib: must be at least 64 MiB\. Fix: write 64 or more/,
  ],
  [
    "a bad URL",
    { providers: PROVIDERS.replace("    api_key", "    url: ftp://x\n    api_key") },
    /cloud\.url: must be an http or https URL\. Fix: write it as described/,
  ],
  [
    "broken YAML",
    { mappings: "routing: [" },
    /^config\/t\/model-mappings\.yaml:1:11 {2}not valid YAML: .* Fix: correct the syntax here/,
  ],
  [
    "an unpinned host",
    { known: "10.0.0.10 ssh-ed25519 AAAA\n" },
    /hosts\.gpu1: no key is pinned for 10\.0\.0\.12 in known_hosts\. Fix: run `ssh-keyscan 10\.0\.0\.12 >> known_hosts`/,
  ],
  [
    "an unpinned port",
    { stack: STACK.replace("address: 10.0.0.12", "address: 10.0.0.12\n      port: 2200") },
    /Fix: run `ssh-keyscan -p 2200 10\.0\.0\.12/,
  ],
  ["no known_hosts", { known: null }, /ssh\.knownHostsFile: known_hosts cannot be read/],
  [
    "no private key",
    { stack: STACK.replace("privateKeyFile: id", "privateKeyFile: nothing") },
    /ssh\.privateKeyFile: nothing cannot be read/,
  ],
  [
    "a bastion that is not there",
    { stack: STACK.replace("bastion: gateway", "bastion: gatway") },
    /hosts\.gpu1\.bastion: no host is named "gatway"\. Fix: write "gateway"/,
  ],
  [
    "a bastion that is itself",
    { stack: STACK.replace("bastion: gateway", "bastion: gpu1") },
    /hosts\.gpu1\.bastion: is the host itself/,
  ],
  [
    "a bastion that is this machine",
    { stack: STACK.replace("bastion: gateway", "bastion: here") },
    /"here" is this machine/,
  ],
  [
    "an engine without a place",
    { stack: STACK.replace("    providers:\n      llama: gpu1\n", "") },
    /providers\.llama\.engine: has no place to run\. Fix: add llama: HOST/,
  ],
  [
    "a place for an external provider",
    { stack: STACK.replace("llama: gpu1", "llama: gpu1\n      cloud: gpu1") },
    /"cloud" has no engine section/,
  ],
  [
    "a place for nobody",
    { stack: STACK.replace("llama: gpu1", "llama: gpu1\n      lama: gpu1") },
    /"lama" is no provider of providers\.yaml\. Fix: write "llama"/,
  ],
  [
    "an engine on a host without an address",
    { stack: STACK.replace("llama: gpu1", "llama: here") },
    /hosts\.here: runs an engine for another host and has no address/,
  ],
  [
    "an engine on a host with a name",
    { stack: STACK.replace("10.0.0.12", "gpu1.lan"), known: `${KNOWN}gpu1.lan ssh-ed25519 CC\n` },
    /hosts\.gpu1\.address: an engine must listen on it/,
  ],
  [
    "the edge's port for an engine",
    {
      stack: STACK.replace("llama: gpu1", "llama: gateway"),
      providers: PROVIDERS.replace(
        "context_length: 1024\n    models",
        "context_length: 1024\n      port: 4000\n    models",
      ),
    },
    /port 4000 of "gateway" is taken by the edge/,
  ],
  [
    "an engine of a kind that is not run",
    { providers: PROVIDERS.replace("type: llama_cpp", "type: openai_compatible") },
    /llama\.engine: this program runs no engine of this type\. Fix: remove it and give a url/,
  ],
  [
    "an engine with a URL",
    { providers: PROVIDERS.replace("    type: llama_cpp", "    type: llama_cpp\n    url: http://10.0.0.1:1") },
    /llama\.url: the address of an engine/,
  ],
  [
    "an engine with a key",
    { providers: PROVIDERS.replace("    type: llama_cpp", "    type: llama_cpp\n    api_key: ${OPENAI_API_KEY}") },
    /llama\.api_key: an engine's key is made by the stack/,
  ],
  [
    "neither URL nor engine",
    { providers: `${PROVIDERS}  box:\n    type: openai_compatible\n    models: [{ name: x }]\n` },
    /providers\.box: has neither url nor engine\. Fix: add url/,
  ],
  [
    "neither URL nor engine, but could have",
    { providers: `${PROVIDERS}  box:\n    type: llama_cpp\n    models: [{ name: x }]\n` },
    /Fix: add one of them/,
  ],
  [
    "more context than the engine has",
    { providers: PROVIDERS.replace("        context_length: 1024", "        context_length: 4096") },
    /models\.0\.context_length: is more than the engine's 1024 tokens/,
  ],
  [
    "an unknown provider in a route",
    { mappings: MAPPINGS.replace("provider: cloud", "provider: clod") },
    /^config\/t\/model-mappings\.yaml:7:7 {2}routing\.exact_matches\.gpt-4o\.provider: no provider is named "clod"\. Fix: write "cloud"/,
  ],
  [
    "a disabled provider in a route",
    { providers: PROVIDERS.replace("type: openai", "type: openai\n    status: disabled") },
    /"cloud" is disabled/,
  ],
  [
    "a model nobody serves",
    { mappings: MAPPINGS.replace("    gpt-4o:", "    gpt-4:").replace("[gpt-4o]", "[]") },
    /routing\.exact_matches\.gpt-4: "cloud" serves no model "gpt-4"\. Fix: write "gpt-4o"/,
  ],
  [
    "a model nobody serves, named",
    { mappings: MAPPINGS.replace("provider: cloud", "provider: cloud\n      model: nothing-like-it") },
    /gpt-4o\.model: "cloud" serves no model "nothing-like-it"\. Fix: use one of gpt-4o, gpt-4o-mini/,
  ],
  [
    "an unknown fallback",
    { mappings: MAPPINGS.replace("[gpt-4o]", "[gtp-4o]") },
    /fallback_chain\.0: no route is named "gtp-4o"\. Fix: write "gpt-4o"/,
  ],
  [
    "a fallback twice",
    { mappings: MAPPINGS.replace("[gpt-4o]", "[gpt-4o, gpt-4o]") },
    /fallback_chain\.1: "gpt-4o" is there twice/,
  ],
  [
    "a circle of fallbacks",
    { mappings: `${MAPPINGS}      fallback_chain: [tiny]\n` },
    /falls back to itself: tiny → gpt-4o → tiny\. Fix: break the circle/,
  ],
  [
    "an unknown default",
    { mappings: `${MAPPINGS}  default_model: tony\n` },
    /routing\.default_model: no route is named "tony"\. Fix: write "tiny"/,
  ],
  ["no routes", { mappings: "routing: { exact_matches: {} }" }, /exact_matches: needs at least one route/],
];

describe("each mistake is reported with its place, its reason and what to do", () => {
  test.each(TABLE)("%s", (_name, files, expected) => {
    const found = problems(files);
    expect(found.filter((line) => expected.test(line))).toHaveLength(1);
    expect(found.join("\n")).not.toContain("sk-real-and-secret");
  });

  test("all of them at once, in one message", () => {
    const files = {
      stack: STACK.replace("adress", "address").replace("llama: gpu1", "llama: gpu9"),
      mappings: MAPPINGS.replace("[gpt-4o]", "[nope]"),
      secrets: {},
    };
    expect(problems(files)).toHaveLength(3);
    expect(() => load(files)).toThrow(/^3 problems in the settings, nothing was touched:\n {2}Pulumi/);
    expect(() => load({ secrets: {} })).toThrow(/^1 problem in/);
  });

  test("a chain of bastions, and ssh hosts without ssh settings", () => {
    const chain = STACK.replace("kind: ssh, address: 10.0.0.10", "kind: ssh, address: 10.0.0.10, bastion: gpu1");
    expect(problems({ stack: chain }).join("\n")).toMatch(/has a bastion itself/);
    const none = STACK.replace(/ {2}ai-backend:ssh:\n.*\n.*\n/, "");
    expect(problems({ stack: none }).join("\n")).toMatch(
      /hosts\.gateway: is reached over SSH, and there is no ssh section/,
    );
  });

  test("files that are not there", () => {
    const files = { stack: `${STACK}  ai-backend:configDir: elsewhere\n` };
    expect(problems(files)).toEqual([
      "elsewhere/providers.yaml  cannot be read. Fix: create it, or set ai-backend:configDir.",
      "elsewhere/model-mappings.yaml  cannot be read. Fix: create it, or set ai-backend:configDir.",
    ]);
  });

  test("settings that come from no file have no position", () => {
    rmSync(join(dir, "Pulumi.t.yaml"), { force: true });
    expect(() => loadSettings({ stack: "t", projectDir: dir, values: {}, secrets: {} })).toThrow(
      /\n {2}Pulumi\.t\.yaml {2}hosts: is missing/,
    );
  });

  test("a list where a mapping belongs", () => {
    expect(problems({ providers: "providers: []\n" }).join()).toMatch(/providers: must be a mapping, and is a list/);
    expect(problems({ providers: "providers:\n" }).join()).toMatch(/providers: must be a mapping, and is nothing/);
  });
});

describe("suggestions", () => {
  test("the nearest name, if any is near", () => {
    expect(nearest("gatway", ["gateway", "gpu1"])).toBe("gateway");
    expect(nearest("zzz", ["gateway"])).toBeUndefined();
    expect(nearest("x", [])).toBeUndefined();
    expect(suggest("zzzzzz", [])).toMatch(/there is none to name/);
    expect(
      suggest(
        "zzzzzz",
        Array.from({ length: 12 }, (_, i) => `longname${i}`),
      ),
    ).toMatch(/… \(12 in all\)$/);
  });
});

describe("what the project ships", () => {
  const ROOT = join(import.meta.dirname, "../..");
  test.each([
    ["prod", ROOT, { OPENAI_API_KEY: "secret", ANTHROPIC_API_KEY: "secret" }],
    ["home", join(ROOT, "examples/one-machine"), {}],
  ] as const)("the settings of %s load as they stand", (stack, projectDir, secrets) => {
    const config: Record<string, unknown> = parse(
      readFileSync(join(projectDir, `Pulumi.${stack}.yaml`), "utf8"),
    ).config;
    const values = Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key.replace(`${NAMESPACE}:`, ""), value]),
    );
    expect(loadSettings({ stack, projectDir, values, secrets }).stack).toBe(stack);
  });
});
