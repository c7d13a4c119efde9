/** YAML text with the position of everything in it. */
import { CORE_SCHEMA, load } from "js-yaml";
import {
  type Document,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from "yaml";
import type { Problem } from "./problems.ts";

type Path = readonly (string | number)[];

/** From this many characters on, values are read by the faster parser and positions only where one is asked for. */
const LARGE = 64 * 1024;
/** Anchors, aliases, tags, directives and keys that are no plain text, in which the two parsers differ. */
const SPECIAL = /[&*!%?]|[}\]]\s*:/;

interface Positions {
  document: Document;
  lines: LineCounter;
}

export class YamlSource {
  #positions: Positions | undefined;
  readonly #pairs = new Map<YAMLMap, Map<string, Pair>>();
  readonly #quick: { value: unknown } | undefined;

  constructor(
    readonly file: string,
    private readonly text: string,
    /** Where the settings begin in the file, as `["config"]` of a stack file, and what its keys begin with. */
    private readonly root: Path = [],
    private readonly prefix = "",
    large = LARGE,
  ) {
    this.#quick = text.length >= large && !SPECIAL.test(text) ? quickly(text) : undefined;
  }

  get #parsed(): Positions {
    if (!this.#positions) {
      const lines = new LineCounter();
      // The parser's own look for double keys compares each with each; see `duplicates`.
      const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
      this.#positions = { document: parseDocument(this.text, options) as Document, lines };
    }
    return this.#positions;
  }

  /** Syntax errors and duplicate keys. */
  get problems(): Problem[] {
    if (this.#quick) return [];
    const { document, lines } = this.#parsed;
    const problem = (offset: number, message: string, fix: string): Problem => {
      const { line, col } = lines.linePos(offset);
      return { file: this.file, line, column: col, path: "", rule: "yaml", message, fix };
    };
    const syntax = document.errors.map((error) => {
      const message = `not valid YAML: ${error.message.split("\n")[0]}`.replace(/\.$/, "");
      return problem(error.pos[0], message, "correct the syntax here");
    });
    if (syntax.length > 0) return syntax;
    const found = duplicates(document).map((offset) =>
      problem(offset, "this key is there twice", "remove or rename one of them"),
    );
    try {
      document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      found.push(problem(0, `not valid YAML: ${(error as Error).message}`, "write the values out"));
    }
    return found;
  }

  /** What the file says; ask only when it has no problems. */
  get value(): unknown {
    return (this.#quick ? this.#quick.value : this.#parsed.document.toJS({ maxAliasCount: 100 })) ?? {};
  }

  /** The pairs of a mapping by key. */
  #pairsOf(map: YAMLMap): Map<string, Pair> {
    let pairs = this.#pairs.get(map);
    if (!pairs) {
      pairs = new Map(map.items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair]] : [])));
      this.#pairs.set(map, pairs);
    }
    return pairs;
  }

  /** The position of a setting: of its key if it has one, else of the nearest thing around it. */
  at(path: Path): { file: string; line?: number; column?: number } {
    const { document, lines } = this.#parsed;
    let node: Node | null | undefined = document.contents;
    let place: Node | null | undefined;
    const steps = [...this.root, ...path.map((step, i) => (i === 0 ? `${this.prefix}${step}` : step))];
    for (const [depth, step] of steps.entries()) {
      if (isMap(node)) {
        const pair = this.#pairsOf(node).get(String(step));
        if (!pair) break;
        place = pair.key as Node;
        node = pair.value as Node | null;
      } else {
        const next: unknown = document.getIn(steps.slice(0, depth + 1), true);
        if (!next || typeof next !== "object") break;
        node = next as Node;
        place = node;
      }
    }
    const offset = (place ?? document.contents)?.range?.[0];
    if (offset === undefined) return { file: this.file };
    const { line, col } = lines.linePos(offset);
    return { file: this.file, line, column: col };
  }
}

/** The value by the faster parser; nothing when it finds a fault, which the other then names. */
function quickly(text: string): { value: unknown } | undefined {
  try {
    return { value: load(text, { schema: CORE_SCHEMA }) };
  } catch {
    return undefined;
  }
}

/** Where a key stands that its mapping has already. */
function duplicates(document: Document): number[] {
  const found: number[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(String(key.value))) found.push(key.range?.[0] ?? 0);
        seen.add(String(key.value));
      }
    },
  });
  return found;
}
