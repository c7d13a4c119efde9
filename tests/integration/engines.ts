/** Engines on a real host: their flags, their models, and the contract, with the real llama-server and Ollama. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { renderOllama } from "../../components/providers/render-ollama.ts";
import { kvCacheMiB } from "../../config/capacity.ts";
import { FLAGS } from "../../config/engine-flags.ts";
import { OllamaEngine } from "../../config/schema/engines.ts";
import { inHost } from "../../lab/hosts.ts";
import { makeModel } from "../../lab/model.ts";
import { addressOf, registryOf } from "../../lab/settings.ts";
import { pulumi } from "../../lab/stack.ts";
import { renderReports } from "../../operations/contract/report.ts";
import { checkEndpoint, isBroken } from "../../operations/contract/run.ts";
import { providerEndpoints } from "../../operations/provider-endpoints.ts";
import { flagsOf } from "../../tools/engine-flags/llama-flags.ts";
import { Backend } from "../support/backend.ts";
import { needsLab } from "../support/needs-lab.ts";
import { TEST_LAB } from "../support/test-lab.ts";

const PORT = 9300;

/** Serves one file, in parts where that is asked for; breaks off after so many bytes, once each. */
class FileServer {
  breakAfter: number[] = [];
  asked: string[] = [];
  sent = 0;
  readonly #server: Server;

  constructor(readonly bytes: Buffer) {
    this.#server = createServer((request, response) => {
      this.asked.push(`${request.method} ${request.headers.range ?? "whole"}`);
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const rest = this.bytes.subarray(from);
      const head = { "content-length": rest.length, "accept-ranges": "bytes" };
      if (from > 0)
        response.writeHead(206, {
          ...head,
          "content-range": `bytes ${from}-${this.bytes.length - 1}/${this.bytes.length}`,
        });
      else response.writeHead(200, head);
      if (request.method === "HEAD") return response.end();
      const limit = this.breakAfter.shift();
      const part = limit === undefined ? rest : rest.subarray(0, limit);
      this.sent += part.length;
      response.write(part, () => (limit === undefined ? response.end() : response.destroy()));
    });
  }

  listen = (address: string) => new Promise<void>((ready) => this.#server.listen(PORT, address, ready));
  close = () =>
    new Promise<void>((done) => {
      this.#server.close(() => done());
      this.#server.closeAllConnections();
    });
}

needsLab("engines on a real host", () => {
  const backend = new Backend(TEST_LAB);
  const gpu = (command: string) => inHost(TEST_LAB, "gpu1", command);
  const bridge = registryOf(TEST_LAB).split(":")[0] as string;
  const url = `http://${bridge}:${PORT}/models/tiny%20random.gguf`;
  const chat = async (port: number, model: string, key?: string) => {
    const head = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
    const body = JSON.stringify({ model, max_tokens: 4, messages: [{ role: "user", content: "hello" }] });
    const answer = await fetch(`http://${addressOf(TEST_LAB, "gpu1")}:${port}/v1/chat/completions`, {
      method: "POST",
      headers: head,
      body,
    });
    return answer.status;
  };
  let files: FileServer;
  let sha256: string;

  beforeAll(async () => {
    const bytes = await readFile(await makeModel());
    sha256 = createHash("sha256").update(bytes).digest("hex");
    files = new FileServer(bytes);
    await files.listen(bridge);
    backend.settings.placement.providers.box = "gpu1";
    backend.providers.llama.engine.model = { url, sha256 };
    const capabilities = ["chat", "completion", "tools", "json"];
    backend.providers.llama.models = [{ name: "tiny", context_length: 512, capabilities }];
    backend.providers.box = {
      type: "ollama",
      priority: 2,
      engine: { models: { "tiny-ollama": { gguf: { url, sha256 } } }, context_length: 1024, memory_mib: 1024 },
      models: [
        {
          name: "tiny",
          upstream_name: "tiny-ollama",
          context_length: 1024,
          capabilities: ["chat", "completion", "json"],
        },
      ],
    };
    backend.mappings.exact_matches.tiny = { fallback_chain: ["gpt-4o-mini"] };
    await backend.make();
  }, 60_000);
  afterAll(async () => {
    await backend.run("destroy");
    await files.close();
    expect((await gpu("docker ps -aq; ls /opt/ai-backend 2>/dev/null || true")).trim()).toBe("");
  }, 120_000);

  test("a download that breaks off goes on where it stopped, is checked, and serves two engines", async () => {
    files.breakAfter = [100_000, 200_000];
    const output = await backend.up();
    expect(output).toMatch(/broken off \(curl 18\), going on/);
    expect(output).toMatch(/checked, 0 MiB/);
    expect(files.sent).toBe(files.bytes.length);
    expect(files.asked.filter((one) => one.startsWith("GET"))).toEqual([
      "GET whole",
      "GET bytes=100000-",
      "GET bytes=300000-",
    ]);
    const path = `/opt/ai-backend/models/sha256/${sha256}/tiny-random.gguf`;
    expect(
      await gpu(
        `sha256sum ${path} | cut -d' ' -f1; stat -c '%a %U' ${path}; ls /opt/ai-backend/models/sha256/${sha256}`,
      ),
    ).toBe(`${sha256}\n644 root\ntiny-random.gguf`);
  }, 300_000);

  test("nothing changed: nothing is fetched again", async () => {
    const before = files.asked.length;
    expect(await backend.up()).toMatch(/unchanged/);
    expect(files.asked).toHaveLength(before);
  }, 120_000);

  test("a wrong checksum: the update stops, nothing is replaced, both engines still answer", async () => {
    const engines = await gpu("docker ps -q --no-trunc | sort");
    backend.providers.llama.engine.model = { url: url.replace("tiny", "other"), sha256: "0".repeat(64) };
    await backend.write();
    const { exitCode, all } = await backend.run("up");
    expect(exitCode).not.toBe(0);
    expect(all).toContain(
      `has the checksum ${sha256}, expected ${"0".repeat(64)}. It was thrown away and nothing was replaced`,
    );
    expect(await gpu("docker ps -q --no-trunc | sort")).toBe(engines);
    expect(await gpu("find /opt/ai-backend/models -name '*.part'")).toBe("");
    backend.providers.llama.engine.model = { url, sha256 };
    await backend.up();
    expect(await gpu("docker ps -q --no-trunc | sort")).toBe(engines);
    expect(await chat(11434, "tiny-ollama")).toBe(200);
  }, 240_000);

  test("Ollama's list is kept: made, pulled from a registry, removed when dropped; by hand made ones stay", async () => {
    const exec = "docker exec $(docker ps -q --filter label=ai-backend.service=box)";
    const mine = `${registryOf(TEST_LAB)}/library/tiny-pulled:1`;
    await gpu(
      `${exec} ollama cp tiny-ollama ${mine} && ${exec} ollama push --insecure ${mine} && ${exec} ollama rm ${mine}`,
    );
    await gpu(`${exec} ollama cp tiny-ollama by-hand`);
    backend.providers.box.engine.insecure = true;
    backend.providers.box.engine.models.poet = { modelfile: "FROM tiny-ollama\nPARAMETER temperature 0\n" };
    backend.providers.box.models.push({ name: "pulled", upstream_name: mine }, { name: "poet" });
    const output = await backend.up();
    expect(output).toMatch(/tiny-pulled:1: pulling/);
    const list = async () =>
      (await gpu(`${exec} ollama list`))
        .split("\n")
        .slice(1)
        .flatMap((line) => line.split(/\s/)[0] || [])
        .sort();
    expect(await list()).toEqual([mine, "by-hand:latest", "poet:latest", "tiny-ollama:latest"].sort());
    expect(await chat(11434, mine)).toBe(200);
    backend.providers.box.models.splice(1);
    delete backend.providers.box.engine.models.poet;
    expect(await backend.up()).toMatch(/poet: removed/);
    expect(await list()).toEqual(["by-hand:latest", "tiny-ollama:latest"]);
  }, 240_000);

  test("the flags and variables that are rendered are the engines' own", async () => {
    const help = await gpu(
      "docker exec $(docker ps -q --filter label=ai-backend.service=llama) /app/llama-server --help",
    );
    expect(flagsOf(help)).toEqual(FLAGS.llama_cpp.known);
    const ollama = await gpu("docker exec $(docker ps -q --filter label=ai-backend.service=box) ollama serve --help");
    const known = [...ollama.matchAll(/\b(OLLAMA_[A-Z_]+)/g)].map(([, name]) => name);
    const used = Object.keys(renderOllama(OllamaEngine.parse({}))).filter((name) => name.startsWith("OLLAMA_"));
    expect(used.filter((name) => !known.includes(name))).toEqual([]);
  });

  test("the KV cache is as large as counted before", async () => {
    const server = "docker exec $(docker ps -q --filter label=ai-backend.service=llama) sh -c";
    const run =
      "timeout 3 /app/llama-server --model $(find /models -name tiny-random.gguf | head -1) --port 9 --ctx-size 8192 --parallel 2 -lv 4";
    const log = await gpu(`${server} '${run} 2>&1 || true' | grep 'llama_kv_cache: size'`);
    const tiny = { weights_mib: 1, layers: 2, kv_heads: 2, head_dim: 16 };
    expect(Number(/size = +([0-9.]+) MiB/.exec(log)?.[1])).toBeCloseTo(kvCacheMiB(tiny, 8192, "f16"), 2);
  });

  describe("the contract", () => {
    test("llama-server and Ollama keep it", async () => {
      const ask = async (args: string[]) => (await pulumi(backend.stack, args)).stdout;
      const endpoints = await providerEndpoints(backend.stack.project, backend.stack.name, ["llama", "box"], 60, ask);
      expect(endpoints.map(({ key }) => key !== undefined)).toEqual([true, false]);
      // One core each: one after the other, or the times tell of the neighbour.
      const reports = [];
      for (const endpoint of endpoints) reports.push(await checkEndpoint(endpoint));
      console.log(renderReports(reports, "text"));
      expect(
        reports.flatMap(({ endpoint, results }) =>
          results.filter(isBroken).map((one) => [endpoint, one.id, one.detail]),
        ),
      ).toEqual([]);
      expect(reports.map(({ unreachable }) => unreachable)).toEqual([undefined, undefined]);
    }, 240_000);
  });
});
