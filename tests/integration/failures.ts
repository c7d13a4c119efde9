import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import OpenAI from "openai";
import { hosts, inHost } from "../../lab/hosts.ts";
import { addressOf } from "../../lab/settings.ts";
import { PULUMI_HOME } from "../../tools/engine/paths.ts";
import { ENGINE } from "../../tools/engine/versions.ts";
import { Backend } from "../support/backend.ts";
import { startTraffic } from "../support/load.ts";
import { needsLab } from "../support/needs-lab.ts";
import { TEST_LAB } from "../support/test-lab.ts";

needsLab("what goes wrong", () => {
  const backend = new Backend(TEST_LAB, "test-failures");
  const good = structuredClone({
    settings: backend.settings,
    providers: backend.providers,
    mappings: backend.mappings,
  });
  const restore = () => Object.assign(backend, structuredClone(good));
  let client: OpenAI;
  let routes = 0;

  const containers = async (service: string) =>
    (await inHost(TEST_LAB, "gateway", `docker ps -aq --no-trunc --filter label=ai-backend.service=${service}`))
      .split("\n")
      .filter(Boolean);
  const everything = async (host: string) =>
    (
      await inHost(
        TEST_LAB,
        host,
        "docker ps -aq --no-trunc | sort; find /opt/ai-backend -type f 2>/dev/null | sort || true",
      )
    ).trim();
  /** A change that makes a new gateway. */
  const addRoute = () => {
    backend.mappings.exact_matches[`route-${++routes}`] = { provider: "cloud", model: "gpt-4o-mini" };
  };
  const connect = async () => {
    const { url, clientKeys } = await backend.outputs();
    client = new OpenAI({ baseURL: url, apiKey: clientKeys.tester, maxRetries: 0, timeout: 30_000 });
  };
  const answers = async (model = "gpt-4o") =>
    (
      await client.chat.completions.create({
        model,
        messages: [{ role: "user", content: `${Math.random()}` }],
        max_tokens: 4,
      })
    ).choices.length;
  async function failing(): Promise<{ all: string; seconds: number }> {
    await backend.write();
    const began = Date.now();
    const result = await backend.run("up");
    expect(result.exitCode).not.toBe(0);
    return { all: result.all ?? "", seconds: (Date.now() - began) / 1000 };
  }

  beforeAll(() => backend.make(), 60_000);
  afterAll(async () => {
    expect((await backend.run("destroy")).exitCode).toBe(0);
  }, 120_000);

  test("mistakes in the settings: all at once, with their places, and nothing is touched", async () => {
    const before = await Promise.all(["gateway", "gpu1"].map(everything));
    backend.settings.edge.prot = 4000;
    backend.settings.placement.providers.llama = "gpu7";
    backend.settings.clients.push({ name: "tester" });
    backend.providers.cloud.api_key = "${NO_SUCH_KEY}";
    backend.mappings.exact_matches.tiny.fallback_chain = ["gtp-4o"];
    const { all } = await failing();
    restore();
    expect(all).toMatch(/5 problems in the settings, nothing was touched:/);
    expect(all).toMatch(/Pulumi\.test-failures\.yaml:\d+:\d+ {2}edge\.prot: unknown setting\. Fix: write "port"/);
    expect(all).toMatch(/no host is named "gpu7"\. Fix: write "gpu1"/);
    expect(all).toMatch(/two clients named "tester"/);
    expect(all).toMatch(/the stack has no secret NO_SUCH_KEY/);
    expect(all).toMatch(/no route is named "gtp-4o"\. Fix: write "gpt-4o"/);
    expect(all).not.toMatch(/\n\s+at .*\.ts:/); // no stack trace for a user's mistake
    expect(await Promise.all(["gateway", "gpu1"].map(everything))).toEqual(before);
  });

  describe("killed at five random moments, the next update converges", () => {
    // A fixed seed: the same moments every time.
    let seed = 20261123;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const bin = join(PULUMI_HOME, "versions", ENGINE, "bin");
    async function killedUpdate(signal: "SIGKILL" | "SIGINT", afterMs: number): Promise<void> {
      await backend.write();
      const { project, env, name } = backend.stack;
      const child = spawn(
        join(bin, "pulumi"),
        ["up", "--yes", "--skip-preview", "--non-interactive", "--stack", name],
        {
          cwd: project,
          env: { ...process.env, ...env, PATH: `${bin}:${process.env.PATH}` },
          stdio: "ignore",
        },
      );
      const ended = once(child, "exit");
      const timer = setTimeout(() => child.kill(signal), afterMs);
      await ended;
      clearTimeout(timer);
      expect(await programsLeft(project)).toEqual([]);
      if (signal === "SIGKILL") await backend.run("cancel"); // the dead update's lock, as the engine's own message says
    }

    /** Programs of a project that still run, 15 s after their engine ended: nobody would ever end them. */
    async function programsLeft(project: string): Promise<string[]> {
      const running = () =>
        readdirSync("/proc").filter((pid) => {
          try {
            const program = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("@pulumi/pulumi/cmd/run");
            return program && readlinkSync(`/proc/${pid}/cwd`).startsWith(project);
          } catch {
            return false; // it has just ended, or is no process
          }
        });
      const end = Date.now() + 15_000;
      while (running().length > 0 && Date.now() < end) await new Promise((wake) => setTimeout(wake, 250));
      return running();
    }

    test.each([1, 2, 3, 4, 5])(
      "moment %d",
      async (n) => {
        // The first while everything is being made, the others while a new gateway takes over.
        if (n > 1) addRoute();
        const afterMs = n === 1 ? 9000 + random() * 4000 : 3000 + random() * 15_000;
        await killedUpdate(n === 5 ? "SIGINT" : "SIGKILL", afterMs);
        await backend.up();
        await connect();
        expect(await answers()).toBe(1);
        for (const service of ["gateway", "edge", "cache"])
          expect([service, await containers(service)]).toEqual([service, [expect.any(String)]]);
        const known = JSON.stringify(await backend.state());
        for (const id of await containers("gateway")) expect(known).toContain(id);
        if (n === 5) expect(await backend.up()).toMatch(/unchanged/);
        console.log(
          `killed with ${n === 5 ? "SIGINT" : "SIGKILL"} after ${(afterMs / 1000).toFixed(1)} s: the next update converged`,
        );
      },
      240_000,
    );
  });

  describe("a host that is not ready stops the update before anything is touched", () => {
    async function notReady(expected: RegExp): Promise<void> {
      addRoute();
      const before = await Promise.all([
        containers("gateway"),
        inHost(TEST_LAB, "gateway", "ls /opt/ai-backend/gateway/releases"),
      ]);
      const { all, seconds } = await failing();
      restore();
      expect(all).toMatch(/1 host is not ready, nothing was touched:/);
      expect(all).toMatch(expected);
      expect(all.match(/gpu1 \(10\.89\.0\.12\): /g)?.length).toBeGreaterThan(0);
      expect(seconds).toBeLessThan(20); // the whole command; the look at the hosts itself ends after 8 s
      expect(
        await Promise.all([containers("gateway"), inHost(TEST_LAB, "gateway", "ls /opt/ai-backend/gateway/releases")]),
      ).toEqual(before);
      expect(await answers()).toBe(1);
    }

    test("down", async () => {
      await hosts(TEST_LAB, "link", "gpu1", "down");
      await notReady(/gpu1 .*(cannot be reached|does not answer).* Fix: switch it on/).finally(() =>
        hosts(TEST_LAB, "link", "gpu1", "up"),
      );
    });
    test("another host key", async () => {
      const file = join(TEST_LAB.dir, "known_hosts");
      const text = await readFile(file, "utf8");
      const gatewayKey = text
        .split("\n")
        .find((line) => line.startsWith(addressOf(TEST_LAB, "gateway")))
        ?.split(" ")
        .slice(1)
        .join(" ");
      await writeFile(
        join(TEST_LAB.dir, "known_hosts.wrong"),
        text.replace(
          new RegExp(`^${addressOf(TEST_LAB, "gpu1")} .*$`, "m"),
          `${addressOf(TEST_LAB, "gpu1")} ${gatewayKey}`,
        ),
      );
      backend.settings.ssh.knownHostsFile = "../known_hosts.wrong";
      backend.stack.env.XDG_CACHE_HOME = join(TEST_LAB.dir, "cache-wrong"); // no shared connection from before
      await notReady(/gpu1 .*its host key is not the pinned one.* Fix: find out why/).finally(() => {
        backend.stack.env.XDG_CACHE_HOME = join(TEST_LAB.dir, "cache");
      });
    });
    test("it refuses the SSH key", async () => {
      await inHost(TEST_LAB, "gpu1", "mv /root/.ssh/authorized_keys /root/.ssh/kept");
      backend.stack.env.XDG_CACHE_HOME = join(TEST_LAB.dir, "cache-refused");
      await notReady(/gpu1 .*refuses this SSH key/).finally(async () => {
        backend.stack.env.XDG_CACHE_HOME = join(TEST_LAB.dir, "cache");
        await inHost(TEST_LAB, "gpu1", "mv /root/.ssh/kept /root/.ssh/authorized_keys");
      });
    });
    test("no Docker daemon", async () => {
      await inHost(TEST_LAB, "gpu1", "systemctl stop docker.socket docker");
      await notReady(/gpu1 .*Docker daemon does not answer.* Fix: systemctl start docker/).finally(() =>
        inHost(TEST_LAB, "gpu1", "systemctl start docker"),
      );
    });
    test("no disk", async () => {
      await inHost(TEST_LAB, "gpu1", "mount -t tmpfs -o size=8m tmpfs /opt/ai-backend");
      await notReady(/gpu1 .*only \d MiB are free for \/opt\/ai-backend, 2048 are needed/).finally(() =>
        inHost(TEST_LAB, "gpu1", "umount /opt/ai-backend"),
      );
    });
  });

  describe("a broken release never takes traffic", () => {
    async function neverServes(expected: RegExp): Promise<void> {
      const before = (await containers("gateway"))[0] as string;
      await backend.write();
      const traffic = startTraffic(client, "gpt-4o", { plain: 2, streams: 1 });
      const { all } = await failing();
      const came = await traffic.stop();
      expect(all).toMatch(expected);
      expect(came.failed).toEqual([]);
      expect(came.requests).toBeGreaterThan(10);
      expect(await containers("gateway")).toContain(before);
      restore();
      await backend.up();
      expect(await answers()).toBe(1);
      expect(await containers("gateway")).toHaveLength(1);
    }

    test("a gateway that dies at once: told within 20 s of its end, with its last words", async () => {
      backend.settings.gateway.memoryMiB = 64; // it is killed for memory while it starts
      await neverServes(/gateway-\w+ (ended by itself|is not healthy)[\s\S]*What served before still serves/);
      const events = await inHost(
        TEST_LAB,
        "gateway",
        "docker events --since 10m --until 0s --filter event=die --format '{{.TimeNano}} {{.Actor.Attributes.name}}' | grep gateway- | tail -1",
      );
      expect(events).toMatch(/gateway-/);
    }, 240_000);

    test("an image that is not there", async () => {
      backend.settings.images = { gateway: "ghcr.io/berriai/litellm:v1.999.0" };
      await neverServes(/litellm:v1\.999\.0/);
    }, 120_000);

    test("a gateway that is healthy and answers nothing", async () => {
      backend.mappings.exact_matches = { tiny: { provider: "dead" } };
      backend.providers.dead = {
        type: "openai_compatible",
        url: "http://10.89.0.1:9/v1",
        timeouts: { first_token_seconds: 5, total_seconds: 5 },
        models: [{ name: "tiny" }],
      };
      delete backend.providers.llama;
      delete backend.settings.placement.providers.llama;
      await neverServes(/healthy, but answers no completion/);
    }, 240_000);
  });
});
