import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { installStandIn } from "../../tools/engine/plugins.ts";
import type { PluginName } from "../../tools/engine/versions.ts";
import { Coverage, NOT_COPIED } from "./coverage.ts";
import { PluginClient } from "./plugin-client.ts";
import { judge, load, Placeholders } from "./recorded-case.ts";

const FILES: Record<PluginName, string[]> = {
  command: ["command-provider", "command-local-Command", "command-remote-Command"],
  docker: ["docker-provider", "docker-Container", "docker-Network", "docker-Volume", "docker-RemoteImage"],
  random: ["random-provider", "random-RandomPassword"],
};

let home: string;
const coverage = new Coverage();
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "ai-backend-plugins-"));
  await mkdir(join(home, "work", "tree", "sub"), { recursive: true });
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
  const others = Object.entries(NOT_COPIED);
  const sum = others.reduce((total, [, count]) => total + count, 0);
  const notCopied = others.map(([type, count]) => `    ${type}: ${count}`).join("\n");
  process.stderr.write(
    `${coverage.report("stand-ins, without any host")}\n  ${sum} of types the program does not use:\n${notCopied}\n`,
  );
});

/** What a stand-in leaves out, and says so when it is asked. */
const LEFT_OUT: Record<string, string> = { "create: assetPaths": "collecting assets is not simulated" };

describe.each(Object.keys(FILES) as PluginName[])("the %s stand-in answers as the real plugin did", (plugin) => {
  let client: PluginClient;
  beforeAll(async () => {
    client = await PluginClient.start(await installStandIn(plugin, home), plugin, join(home, "work"));
  });
  afterAll(() => client.stop());

  for (const file of FILES[plugin]) {
    const { cases } = load(file);
    const placeholders = new Placeholders();
    describe(file, () => {
      for (const recorded of cases) {
        const name = `${file}: ${recorded.method} ${recorded.name}`;
        if (recorded.needs !== "nothing" && recorded.needs !== "shell") {
          coverage.left("needing a host (tests/integration/plugins.test.ts)", name);
          continue;
        }
        const leftOut = LEFT_OUT[recorded.name];
        if (leftOut) {
          coverage.left(leftOut, name);
          continue;
        }
        test(`${recorded.method}: ${recorded.name}`, async () => {
          placeholders.bind("<workdir>", join(home, "work"));
          const answer = await client.call({ ...recorded, request: placeholders.fill(recorded.request) });
          expect(judge(recorded, answer, placeholders)).toBeUndefined();
          coverage.replayed(name);
        });
      }
    });
  }
});
