/** A picture as Mermaid's and as Graphviz's text. */
import type { Box, Picture } from "./picture.ts";

const id = (name: string) => name.replace(/[^A-Za-z0-9]/g, "_");

export function renderMermaid({ stack, clients, groups, edges }: Picture): string {
  const text = (lines: string[]) => lines.join("<br/>").replaceAll('"', "#quot;");
  const shapes: Record<Box["shape"], [string, string]> = {
    box: ["[", "]"],
    store: ["[(", ")]"],
    cloud: ["[/", "/]"],
    people: ["([", "])"],
  };
  const drawn = ({ id: name, lines, shape }: Box) =>
    `${id(name)}${shapes[shape][0]}"${text(lines)}"${shapes[shape][1]}`;
  const lines = [
    `%% stack ${stack}, made by npm run diagram`,
    "flowchart LR",
    `  ${drawn(clients)}`,
    ...groups.flatMap((group) => [
      `  subgraph ${id(group.id)}["${text([group.title])}"]`,
      ...group.boxes.map((box) => `    ${drawn(box)}`),
      "  end",
    ]),
    ...edges.map(({ from, to, label, fallback }) => {
      const words = label === "" ? "" : ` "${text(label.split("\n"))}"`;
      const [start, end] = fallback ? ["-.", ".->"] : words ? ["--", "-->"] : ["", "-->"];
      return `  ${id(from)} ${start}${words}${words || start ? " " : ""}${end} ${id(to)}`.replace(/ {2,}(?=-->)/, " ");
    }),
  ];
  return `${lines.join("\n")}\n`;
}

/** Readable on a light and on a dark page: a paper of its own. */
const COLOURS = { paper: "#ffffff", group: "#f3f5f8", line: "#4a5568", fallback: "#c05621", text: "#1a202c" };
const DOT_SHAPES: Record<Box["shape"], string> = {
  box: 'shape=box, style="rounded,filled", fillcolor=white',
  store: "shape=cylinder, style=filled, fillcolor=white",
  cloud: 'shape=box, style="rounded,filled,dashed", fillcolor=white',
  people: "shape=oval, style=filled, fillcolor=white",
};

export function renderDot({ stack, clients, groups, edges }: Picture): string {
  const quoted = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
  const drawn = ({ id: name, lines, shape }: Box) =>
    `${quoted(name)} [label=${quoted(lines.join("\n"))}, ${DOT_SHAPES[shape]}];`;
  const font = `fontname="Helvetica,Arial,sans-serif", fontsize=11, fontcolor="${COLOURS.text}"`;
  const lines = [
    `// stack ${stack}, made by npm run diagram`,
    `digraph ${quoted(stack)} {`,
    `  graph [rankdir=LR, bgcolor="${COLOURS.paper}", pad=0.3, nodesep=0.35, ranksep=0.9, ${font}];`,
    `  node [color="${COLOURS.line}", margin="0.15,0.08", ${font}];`,
    `  edge [color="${COLOURS.line}", ${font.replace("11", "9")}];`,
    `  ${drawn(clients)}`,
    ...groups.flatMap((group) => [
      `  subgraph ${quoted(`cluster_${group.id}`)} {`,
      `    label=${quoted(group.title)}; style="rounded,filled"; color="${COLOURS.line}"; fillcolor="${COLOURS.group}";`,
      ...group.boxes.map((box) => `    ${drawn(box)}`),
      "  }",
    ]),
    ...edges.map(({ from, to, label, fallback }) => {
      const style = fallback ? `, style=dashed, color="${COLOURS.fallback}", fontcolor="${COLOURS.fallback}"` : "";
      return `  ${quoted(from)} -> ${quoted(to)} [label=${quoted(label)}${style}];`;
    }),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}
