/** YAML text with the position of everything in it. */
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import type { Problem } from "./problems.ts";

type Path = readonly (string | number)[];

export class YamlSource {
  readonly #document: Document;
  readonly #lines = new LineCounter();

  constructor(
    readonly file: string,
    text: string,
    /** Where the settings begin in the file, as `["config"]` of a stack file, and what its keys begin with. */
    private readonly root: Path = [],
    private readonly prefix = "",
  ) {
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: true,
    }) as Document;
  }

  /** Syntax errors and duplicate keys. */
  get problems(): Problem[] {
    return this.#document.errors.map((error) => {
      const { line, col } = this.#lines.linePos(error.pos[0]);
      const duplicate = error.code === "DUPLICATE_KEY";
      const message = duplicate ? "this key is there twice" : `not valid YAML: ${error.message.split("\n")[0]}`;
      const fix = duplicate ? "remove or rename one of them" : "correct the syntax here";
      return { file: this.file, line, column: col, path: "", message: message.replace(/\.$/, ""), fix };
    });
  }

  get value(): unknown {
    return this.#document.toJS({ maxAliasCount: 100 }) ?? {};
  }

  /** The position of a setting: of its key if it has one, else of the nearest thing around it. */
  at(path: Path): { file: string; line?: number; column?: number } {
    let node: Node | null | undefined = this.#document.contents;
    let place: Node | null | undefined;
    const steps = [...this.root, ...path.map((step, i) => (i === 0 ? `${this.prefix}${step}` : step))];
    for (const [depth, step] of steps.entries()) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
        if (!pair) break;
        place = pair.key as Node;
        node = pair.value as Node | null;
      } else {
        const next: unknown = this.#document.getIn(steps.slice(0, depth + 1), true);
        if (!next || typeof next !== "object") break;
        node = next as Node;
        place = node;
      }
    }
    const offset = (place ?? this.#document.contents)?.range?.[0];
    if (offset === undefined) return { file: this.file };
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line, column: col };
  }
}
