import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import OpenAI from "openai";
import { hosts, inHost } from "../../lab/hosts.ts";
import { addressOf, upstreamOf } from "../../lab/settings.ts";
import { Backend } from "../support/backend.ts";
import { startIdleClients, startTraffic } from "../support/load.ts";
import { needsLab } from "../support/needs-lab.ts";
import { TEST_LAB } from "../support/test-lab.ts";

const ask = (text: string) => [{ role: "user" as const, content: text }];

needsLab("the whole backend on real hosts", () => {
  const backend = new Backend(TEST_LAB);
  const gateway = addressOf(TEST_LAB, "gateway");
  const gpu = addressOf(TEST_LAB, "gpu1");
  let client: OpenAI;
  let url: string;
  let key: string;

  const program = (behaviour: object) =>
    fetch(`${upstreamOf(TEST_LAB)}/_simulation`, { method: "PUT", body: JSON.stringify(behaviour) });
  const gatewayContainer = async () =>
    (await inHost(TEST_LAB, "gateway", "docker ps -q --no-trunc --filter label=ai-backend.service=gateway")).trim();

  beforeAll(async () => {
    await backend.make();
    await backend.up();
    const outputs = await backend.outputs();
    ({ url } = outputs);
    key = outputs.clientKeys.tester as string;
    client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 60_000 });
  }, 300_000);
  afterAll(async () => {
    const result = await backend.run("destroy");
    expect(result.exitCode).toBe(0);
    for (const host of ["gateway", "gpu1"]) {
      const left = await inHost(
        TEST_LAB,
        host,
        "docker ps -aq; docker network ls -q --filter label=ai-backend.stack; ls /opt/ai-backend 2>/dev/null || true",
      );
      expect(left.trim()).toBe("");
    }
  }, 120_000);

  test("a plain and a streamed completion from llama.cpp, through the edge and LiteLLM", async () => {
    const { data, response } = await client.chat.completions
      .create({ model: "tiny", messages: ask("plain"), max_tokens: 8 })
      .withResponse();
    expect(data.choices[0]?.message.role).toBe("assistant");
    expect(response.headers.get("x-litellm-model-id")).toBe("tiny@llama");
    const stream = await client.chat.completions.create({
      model: "tiny",
      messages: ask("stream"),
      max_tokens: 8,
      stream: true,
    });
    let chunks = 0;
    for await (const _ of stream) chunks++;
    expect(chunks).toBeGreaterThan(2);
  });

  test("the same request twice is answered from Redis", async () => {
    const request = { model: "gpt-4o", messages: ask("twice, please"), max_tokens: 8 };
    const first = await client.chat.completions.create(request).withResponse();
    await new Promise((wake) => setTimeout(wake, 300)); // the answer is stored after it was given
    const second = await client.chat.completions.create(request).withResponse();
    expect(second.data.id).toBe(first.data.id);
    expect(second.response.headers.get("x-litellm-cache-key")).toBeTruthy();
  });

  test("a stream is not held back on its way", async () => {
    await program({ chunkDelayMs: 200, words: 10, times: 1 });
    const began = performance.now();
    const stream = await client.chat.completions.create({ model: "gpt-4o", messages: ask("slow"), stream: true });
    let first = 0;
    for await (const chunk of stream) if (!first && chunk.choices[0]?.delta.content) first = performance.now() - began;
    expect(first).toBeLessThan((performance.now() - began) / 2);
  });

  test("with llama-server stopped, the fallback answers; started again, it answers itself", async () => {
    await inHost(TEST_LAB, "gpu1", "docker stop -t 1 ai-backend-llama");
    try {
      const { response } = await client.chat.completions
        .create({ model: "tiny", messages: ask("without llama"), max_tokens: 8 })
        .withResponse();
      expect(response.headers.get("x-litellm-model-id")).toBe("gpt-4o-mini@cloud");
    } finally {
      await inHost(TEST_LAB, "gpu1", "docker start ai-backend-llama");
    }
  });

  test("a client without a good key gets an honest 401, one off the path a 404, in OpenAI's shape", async () => {
    for (const headers of [{}, { authorization: "Bearer sk-wrong" }, { authorization: "Basic abc" }]) {
      const response = await fetch(`${url}/models`, { headers: headers as Record<string, string> });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({
        error: { type: "invalid_request_error", code: "invalid_api_key" },
      });
    }
    await expect(new OpenAI({ baseURL: url, apiKey: "sk-wrong", maxRetries: 0 }).models.list()).rejects.toThrow(
      OpenAI.AuthenticationError,
    );
    for (const path of [
      "/model/info",
      "/key/generate",
      "/v1/model/info",
      "/health",
      "/metrics",
      "/v1/../model/info",
      "//v1/models",
    ]) {
      const response = await fetch(`http://${gateway}:4000${path}`, { headers: { authorization: `Bearer ${key}` } });
      expect([path, response.status]).toEqual([path, 404]);
    }
    expect((await fetch(`http://${gateway}:4000/healthz`)).status).toBe(200);
  });

  test("only the edge's port answers on the gateway host, only llama's on its host, and that wants a key", async () => {
    const open = async (host: string) =>
      (await inHost(TEST_LAB, host, "ss -Hltn | awk '{print $4}' | grep -v '^127\\.' | sort -u"))
        .split("\n")
        .filter(Boolean);
    expect(await open("gateway")).toEqual(expect.arrayContaining([`${gateway}:4000`]));
    expect((await open("gateway")).filter((address) => !address.endsWith(":22"))).toEqual([`${gateway}:4000`]);
    expect((await open("gpu1")).filter((address) => !address.endsWith(":22"))).toEqual([`${gpu}:8080`]);
    expect((await fetch(`http://${gpu}:8080/v1/models`)).status).toBe(401);
  });

  test("every container is hardened", async () => {
    for (const host of ["gateway", "gpu1"]) {
      const inspected = JSON.parse(await inHost(TEST_LAB, host, "docker inspect $(docker ps -q)"));
      expect(inspected.length).toBeGreaterThan(0);
      for (const { Name, Config, HostConfig } of inspected) {
        expect({
          Name,
          root: /^0?(:|$)/.test(Config.User),
          readOnly: HostConfig.ReadonlyRootfs,
          capDrop: HostConfig.CapDrop,
          capAdd: HostConfig.CapAdd ?? [],
          privileged: HostConfig.Privileged,
          noNewPrivileges: HostConfig.SecurityOpt.includes("no-new-privileges"),
          memory: HostConfig.Memory > 0,
          pids: HostConfig.PidsLimit > 0,
          rotated: HostConfig.LogConfig.Config["max-size"],
        }).toEqual({
          Name,
          root: false,
          readOnly: true,
          capDrop: ["ALL"],
          capAdd: [],
          privileged: false,
          noNewPrivileges: true,
          memory: true,
          pids: true,
          rotated: "10m",
        });
      }
    }
  });

  test("no secret is in state in clear, in docker inspect, in arguments, or in a file others may read", async () => {
    const state = JSON.stringify(await backend.state());
    const privateKey = (await readFile(join(TEST_LAB.dir, "id_ed25519"), "utf8")).split("\n")[2] as string;
    const gatewaySecrets = await inHost(TEST_LAB, "gateway", "cat /opt/ai-backend/*/secrets/*.env");
    const secrets = [...gatewaySecrets.matchAll(/='([^']+)'/g)].map((match) => match[1] as string);
    expect(secrets.length).toBeGreaterThanOrEqual(5);
    for (const host of ["gateway", "gpu1"]) {
      const look =
        "docker inspect $(docker ps -aq); ps -ww -eo args; cat /opt/ai-backend/*/releases/*/* || true; docker ps -aq | xargs -n1 docker logs";
      const seen = await inHost(TEST_LAB, host, `{ ${look}; } 2>&1`);
      for (const secret of [...secrets, key]) expect(seen.includes(secret)).toBe(false);
      const modes = await inHost(TEST_LAB, host, "find /opt/ai-backend -type f -printf '%m %P\\n'");
      for (const line of modes.split("\n").filter(Boolean)) {
        if (line.includes("/secrets/")) expect(line).toMatch(/^600 /);
        else if (line.includes("/releases/")) expect(line).toMatch(/^640 /);
      }
    }
    for (const secret of [...secrets, key, privateKey]) expect(state.includes(secret)).toBe(false);
  });

  test("nothing changed: a preview says so, and an update does nothing", async () => {
    const before = await gatewayContainer();
    const preview = await backend.run("preview", "--expect-no-changes", "--diff");
    expect(preview.all).toMatch(/\d+ unchanged/);
    expect(preview.exitCode).toBe(0);
    expect(await backend.up()).toMatch(/\d+ unchanged/);
    expect(await gatewayContainer()).toBe(before);
  }, 60_000);

  test("a route changes under load: the preview shows the line, no request fails, the old gateway goes", async () => {
    const before = await gatewayContainer();
    backend.mappings.exact_matches.fast = { provider: "cloud", model: "gpt-4o-mini" };
    await backend.write();
    const preview = await backend.run("preview", "--diff");
    expect(preview.all).toMatch(/\+\s+- model_name: fast/);
    expect(preview.all).not.toContain(key);

    await program({ chunkDelayMs: 150, words: 20 });
    const traffic = startTraffic(client, "gpt-4o", { plain: 3, streams: 4 });
    await backend.up();
    await new Promise((wake) => setTimeout(wake, 1000));
    const came = await traffic.stop();
    await program({});
    console.log(
      `route change under load: ${came.requests} requests, ${came.streams} streams of 3 s, ${came.failed.length} failed, p99 ${came.p99Ms} ms, worst ${came.worstMs} ms`,
    );
    expect(came.failed).toEqual([]);
    expect(came.requests).toBeGreaterThan(50);
    expect(came.streams).toBeGreaterThan(4);
    expect(await gatewayContainer()).not.toBe(before);
    expect((await gatewayContainer()).split("\n")).toHaveLength(1);
    const answer = await client.chat.completions.create({ model: "fast", messages: ask("new route"), max_tokens: 4 });
    expect(answer.choices).toHaveLength(1);
  }, 120_000);

  test("a client is added: the edge reloads, nobody is cut, both keys work", async () => {
    const edge = (await inHost(TEST_LAB, "gateway", "docker ps -q --filter name=ai-backend-edge")).trim();
    const before = await gatewayContainer();
    backend.settings.clients.push({ name: "second" });
    const traffic = startTraffic(client, "gpt-4o", { plain: 2, streams: 2 });
    await backend.up();
    const came = await traffic.stop();
    expect(came.failed).toEqual([]);
    const { clientKeys } = await backend.outputs();
    expect(clientKeys.tester).toBe(key);
    expect(
      (await new OpenAI({ baseURL: url, apiKey: clientKeys.second, maxRetries: 0 }).models.list()).data.length,
    ).toBeGreaterThan(0);
    expect((await inHost(TEST_LAB, "gateway", "docker ps -q --filter name=ai-backend-edge")).trim()).toBe(edge);
    expect(await gatewayContainer()).toBe(before);
  }, 120_000);

  test("ten reloads of the edge: clients whose kept connections are idle for moments lose no request", async () => {
    const idle = startIdleClients(url, key, 40);
    const reload = 'docker exec $(docker ps -q --filter name=ai-backend-edge) sh -c "kill -USR2 1"; sleep 1.2';
    await inHost(TEST_LAB, "gateway", `for i in $(seq 10); do ${reload}; done`);
    const came = await idle.stop();
    console.log(`requests around 10 reloads: ${came.answered}, failed: ${JSON.stringify(came.failed)}`);
    expect(came.failed).toEqual({});
    expect(came.answered).toBeGreaterThan(500);
  }, 60_000);

  test("the last five releases are kept", async () => {
    for (let i = 0; i < 6; i++) {
      const files = `printf '==> f 2\\n%s\\n\\n' ${i} | /opt/ai-backend/bin/host release keeptest digest${i} 0`;
      await inHost(TEST_LAB, "gateway", `${files}; sleep 0.02`);
    }
    const kept = await inHost(
      TEST_LAB,
      "gateway",
      "ls /opt/ai-backend/keeptest/releases; /opt/ai-backend/bin/host remove keeptest",
    );
    expect(kept.trim().split("\n")).toEqual(["digest1", "digest2", "digest3", "digest4", "digest5"]);
  });

  test("after reloads, a power cut and a boot, the gateway host serves again, untouched", async () => {
    await hosts(TEST_LAB, "cut", "gateway");
    await hosts(TEST_LAB, "boot", "gateway");
    const end = Date.now() + 60_000;
    let answered = false;
    while (!answered && Date.now() < end) {
      answered = await client.chat.completions
        .create({ model: "gpt-4o", messages: ask(`back ${Date.now()}`), max_tokens: 4 })
        .then(
          () => true,
          () => false,
        );
      if (!answered) await new Promise((wake) => setTimeout(wake, 500));
    }
    expect(answered).toBe(true);
  }, 120_000);
});
