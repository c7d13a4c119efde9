import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { diagramOf, main } from "../../operations/diagram.ts";

const ROOT = join(import.meta.dirname, "../..");

describe("the picture of a stack", () => {
  test("the one in the README is made from the lab's settings", async () => {
    expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain("](docs/lab.svg)");
    expect(await diagramOf(ROOT, "lab", "svg")).toBe(readFileSync(join(ROOT, "docs/lab.svg"), "utf8"));
  });
  test("prod and one machine can be drawn too", async () => {
    const prod = await diagramOf(ROOT, "prod", "mermaid");
    expect(prod).toMatch(/subgraph region_cloud\["cloud"\]/);
    expect(prod).toMatch(/provider_llama_gpu1 -\. "when it fails:<br\/>llama3\.1:8b" \.-> provider_openai/);
    const home = await diagramOf(join(ROOT, "examples/one-machine"), "home", "dot");
    expect(home).toMatch(/subgraph "cluster_host box" \{\n {4}label="box · this machine"/);
  });
  test("the command prints it, explains itself, and says what is wrong", async () => {
    const run = async (...args: string[]) => {
      let text = "";
      const code = await main(args, ROOT, (more) => {
        text += more;
      });
      return { code, text };
    };
    expect(await run("--format", "mermaid")).toEqual({ code: 0, text: await diagramOf(ROOT, "lab", "mermaid") });
    expect(await run("--help")).toMatchObject({ code: 0, text: expect.stringMatching(/--stack/) });
    expect(await run("--stack", "nowhere")).toMatchObject({
      code: 2,
      text: expect.stringMatching(/^diagram: Pulumi\.nowhere\.yaml {2}cannot be read/),
    });
    expect((await run("--stak")).code).toBe(2);
  });
});
