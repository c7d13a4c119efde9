import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import pc from "picocolors";
import { type Engine, ensureEngine } from "../tools/engine/engine.ts";
import { PROJECT_DIR } from "../tools/engine/paths.ts";
import { ensurePlugins } from "../tools/engine/plugins.ts";
import type { WhichLab } from "./cli.ts";
import { startDaemon } from "./daemons.ts";
import { hosts } from "./hosts.ts";
import { buildImage, images, pushImage, startRegistry } from "./images.ts";
import { preparePackages } from "./machine.ts";
import { installModel, makeModel } from "./model.ts";
import { DEFAULTS, type LabSettings, remember, upstreamOf } from "./settings.ts";
import { smoke } from "./smoke.ts";
import {
  dropStaleLock,
  ensureStack,
  pulumi,
  type Stack,
  stackEnvironment,
  UPSTREAM_KEY,
  writeEnvironment,
} from "./stack.ts";
import { runSteps, type Step } from "./steps.ts";

/** Everything below the program: hosts with disks and power, images, the model, the simulated upstream. */
export function groundSteps(lab: LabSettings, modelHosts: string[]): Step[] {
  let engine: Engine;
  let model = "";
  return [
    {
      title: "packages",
      run: async (say) => {
        const installed = await preparePackages(say);
        await remember(lab);
        return installed.length > 0 ? `installed ${installed.join(" ")}` : undefined;
      },
    },
    {
      title: "engine",
      run: async (say) => {
        engine = await ensureEngine(say);
        return `pulumi v${engine.version}, ${engine.origin}`;
      },
    },
    {
      title: "provider plugins",
      run: async () => {
        const plugins = await ensurePlugins(engine);
        return plugins.map(({ name, kind }) => `${name} ${kind === "real" ? "real" : "STAND-IN"}`).join(", ");
      },
    },
    {
      title: "host system",
      run: async (say) => {
        say("about 90 s the first time");
        await hosts(lab, "base");
        return undefined;
      },
    },
    {
      title: "images",
      run: async (say) => {
        const all = await images();
        let built = 0;
        for (const image of all) {
          say(`${image.name} (the first time: up to 6 minutes for llama.cpp or Ollama)`);
          if ((await buildImage(image)) === "built") built++;
        }
        return `${all.length}, ${built} built now`;
      },
    },
    {
      title: "hosts",
      run: async () => {
        await hosts(lab, "up");
        return Object.entries(lab.hosts)
          .map(([name, octet]) => `${name} ${lab.net}.${octet}`)
          .join(", ");
      },
    },
    {
      title: "image registry",
      run: async () => {
        await startRegistry(lab);
        for (const image of await images()) await pushImage(lab, image);
        return `${lab.net}.1:5000`;
      },
    },
    {
      title: "model",
      run: async () => {
        model = await makeModel();
        for (const host of modelHosts) await installModel(lab, host, model);
        return modelHosts.join(", ");
      },
    },
    {
      title: "simulated OpenAI",
      run: async () => {
        const { hostname, port } = new URL(upstreamOf(lab));
        const tsx = join(PROJECT_DIR, "node_modules/.bin/tsx");
        const script = join(import.meta.dirname, "simulated-openai.ts");
        const listen = { host: hostname, port: Number(port) };
        await startDaemon(lab.dir, "simulated-openai", [tsx, script, hostname, port], listen, {
          SIMULATED_OPENAI_KEY: UPSTREAM_KEY,
        });
        return upstreamOf(lab);
      },
    },
  ];
}

/** One update of a stack; a lock whose holder is gone is dropped first. */
export async function update(stack: Stack, say: (message: string) => void): Promise<string> {
  const run = () => pulumi(stack, ["up", "--yes", "--skip-preview", "--stack", stack.name, "--color", "never"], say);
  let result = await run();
  if (result.exitCode !== 0 && (await dropStaleLock(stack, result.all ?? ""))) result = await run();
  if (result.exitCode !== 0) throw new Error(`pulumi up failed:\n${result.all}`);
  return (
    /Resources:\n([\s\S]*?)\n\n/
      .exec(result.all ?? "")?.[1]
      ?.trim()
      .replace(/\s*\n\s*/g, ", ") ?? ""
  );
}

export function registerUp(program: Command, which: WhichLab): void {
  program
    .command("up", { isDefault: true })
    .description(
      "bring everything up: engine, hosts, images, pulumi up --stack lab, smoke test; again: only what changed",
    )
    .option("--hosts-only", "hosts, images and engine, without the stack")
    .action(async (options: { hostsOnly?: boolean }) => {
      const began = Date.now();
      const lab = await which();
      const standard = lab.net === DEFAULTS.net && lab.hosts.gateway !== undefined && lab.hosts.gpu1 !== undefined;
      const stack: Stack = { name: "lab", project: PROJECT_DIR, env: stackEnvironment(lab) };
      const steps = groundSteps(lab, "gpu1" in lab.hosts ? ["gpu1"] : []);
      const withStack = !options.hostsOnly && standard;
      if (withStack) {
        steps.push({
          title: "pulumi up --stack lab",
          run: async (say) => {
            await writeEnvironment(lab);
            await ensureStack(stack);
            return update(stack, say);
          },
        });
        steps.push({
          title: "smoke test",
          run: async () => {
            const outputs = await pulumi(stack, ["stack", "output", "--json", "--show-secrets", "--stack", "lab"]);
            const { url, clientKeys, models } = JSON.parse(outputs.stdout);
            await writeFile(join(lab.dir, "client.key"), `${clientKeys.lab}\n`, { mode: 0o600 });
            return smoke(url, clientKeys.lab, models);
          },
        });
      } else {
        await writeEnvironment(lab);
      }
      await runSteps(steps);
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      process.stdout.write(`\n${pc.green("The lab is up")} (${seconds} s).\n`);
      if (!withStack) {
        process.stdout.write(
          options.hostsOnly ? "" : `Its addresses are not those of Pulumi.lab.yaml, so no stack was brought up.\n`,
        );
        return;
      }
      process.stdout.write(`
  gateway   http://${lab.net}.10:4000/v1
  key       .lab/client.key
  models    tiny (llama.cpp, then Ollama, on gpu1), gpt-4o, gpt-4o-mini (simulated upstream)

Try:
  curl http://${lab.net}.10:4000/v1/chat/completions -H "Authorization: Bearer $(cat .lab/client.key)" \\
    -H 'Content-Type: application/json' -d '{"model":"tiny","messages":[{"role":"user","content":"hello"}],"max_tokens":16}'
  source .lab/env && npx pulumi preview --stack lab --diff     after a change in config/lab/
  npm run lab -- status
  npm run lab -- host cut gpu1                                 and see the fallback answer
`);
    });
}
