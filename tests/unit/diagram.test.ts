import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { diagramOf, main } from "../../operations/diagram.ts";

const ROOT = join(import.meta.dirname, "../..");

describe("the picture of a stack", () => {
  test("the one in the README is made from the lab's settings", () => {
    const shown = /<!-- diagram:lab -->\n```mermaid\n([\s\S]*?)```/.exec(
      readFileSync(join(ROOT, "README.md"), "utf8"),
    )?.[1];
    expect(shown).toBe(diagramOf(ROOT, "lab"));
  });
  test("prod and one machine can be drawn too", () => {
    expect(diagramOf(ROOT, "prod")).toMatch(/llama_gpu1 -\. "when it fails" \.-> llama_gpu2/);
    expect(diagramOf(join(ROOT, "examples/one-machine"), "home")).toMatch(/subgraph host_box\["box · this machine"\]/);
  });
  test("the command prints it, explains itself, and says what is wrong", () => {
    const run = (...args: string[]) => {
      let text = "";
      const code = main(args, ROOT, (more) => {
        text += more;
      });
      return { code, text };
    };
    expect(run()).toEqual({ code: 0, text: diagramOf(ROOT, "lab") });
    expect(run("--help")).toMatchObject({ code: 0, text: expect.stringMatching(/--stack/) });
    expect(run("--stack", "nowhere")).toMatchObject({
      code: 1,
      text: expect.stringMatching(/^diagram: ENOENT.*Pulumi\.nowhere\.yaml/),
    });
    expect(run("--stak").code).toBe(1);
  });
});
