import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { installStandIn } from "../../tools/engine/plugins.ts";
import type { PluginName } from "../../tools/engine/versions.ts";
import { PluginClient } from "./plugin-client.ts";
import { judge, load, Placeholders } from "./recorded-case.ts";

const FILES: Record<PluginName, string[]> = {
  command: ["command-provider", "command-local-Command", "command-remote-Command"],
  docker: ["docker-provider", "docker-Container", "docker-Network", "docker-Volume", "docker-RemoteImage"],
  random: ["random-provider", "random-RandomPassword"],
};

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "ai-backend-plugins-"));
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

describe.each(Object.keys(FILES) as PluginName[])("the %s stand-in answers as the real plugin did", (plugin) => {
  let client: PluginClient;
  beforeAll(async () => {
    client = await PluginClient.start(await installStandIn(plugin, home), plugin);
  });
  afterAll(() => client.stop());

  for (const file of FILES[plugin]) {
    const { cases } = load(file);
    const placeholders = new Placeholders();
    describe(file, () => {
      for (const recorded of cases.filter((one) => one.needs === "nothing")) {
        test(`${recorded.method}: ${recorded.name}`, async () => {
          const answer = await client.call({ ...recorded, request: placeholders.fill(recorded.request) });
          expect(judge(recorded, answer, placeholders)).toBeUndefined();
        });
      }
    });
  }
});
