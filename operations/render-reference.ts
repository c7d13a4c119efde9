/** JSON Schemas → the page of every setting. */

export interface JsonSchema {
  $schema?: string;
  type?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  propertyNames?: JsonSchema;
  patternProperties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

const FILES: Record<string, string> = {
  stack: "`Pulumi.<stack>.yaml`: where things run",
  providers: "`providers.yaml`: who answers",
  "model-mappings": "`model-mappings.yaml`: which name goes where",
};
/** JavaScript's largest whole number, which zod writes as a limit. */
const SAFE = Number.MAX_SAFE_INTEGER;

function shape(schema: JsonSchema): string {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return [...new Set(options.map(shape))].join(" or ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(", ");
  if (schema.type === "array") return `list of ${schema.items ? shape(schema.items) : "anything"}`;
  if (schema.type === "object") return "mapping";
  if (schema.type === "integer" || schema.type === "number") {
    const { minimum, maximum } = schema;
    const kind = schema.type === "integer" ? "whole number" : "number";
    if (minimum !== undefined && maximum !== undefined && maximum < SAFE) return `${kind} ${minimum}–${maximum}`;
    return minimum !== undefined && minimum > -SAFE ? `${kind} ≥ ${minimum}` : kind;
  }
  return schema.type === "boolean" ? "true, false" : "text";
}

interface Row {
  path: string;
  shape: string;
  required: boolean;
  text: string;
}

function rows(schema: JsonSchema, path: string, required: boolean): Row[] {
  const own: Row[] = path === "" ? [] : [{ path, shape: shape(schema), required, text: schema.description ?? "" }];
  const options = schema.anyOf ?? schema.oneOf ?? [];
  const inside = [schema, ...options].flatMap(
    ({ properties = {}, required: needed = [], additionalProperties, items }) => [
      ...Object.entries(properties).flatMap(([name, inner]) =>
        rows(inner, path === "" ? name : `${path}.${name}`, needed.includes(name)),
      ),
      ...(typeof additionalProperties === "object" ? deeper(additionalProperties, `${path}.NAME`) : []),
      ...(items ? deeper(items, `${path}[]`) : []),
    ],
  );
  return [...own, ...inside];
}

/** What is inside the parts of a list or mapping; a plain part is said by its holder's shape. */
function deeper(schema: JsonSchema, path: string): Row[] {
  return rows(schema, path, false).filter((row) => row.path !== path || shape(schema) !== "mapping");
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

export function renderReference(schemas: Record<string, JsonSchema>): string {
  const parts = Object.entries(schemas).map(([name, schema]) => {
    const seen = new Set<string>();
    const table = rows(schema, "", false)
      .filter(({ path, text }) => text !== "" && !seen.has(path) && seen.add(path))
      .map((row) => `| \`${row.path}\` | ${cell(row.shape)} | ${row.required ? "yes" : ""} | ${cell(row.text)} |`);
    return [
      `## ${FILES[name] ?? name}`,
      "",
      "| setting | shape | needed | meaning |",
      "| --- | --- | --- | --- |",
      ...table,
      "",
    ];
  });
  const head = [
    "# Settings",
    "",
    "Made by `npm run reference` from `config/schema/`, which is also what checks them. Editors complete them: the first line of a file",
    "names its schema (`# yaml-language-server: $schema=…`). `NAME` is a name of your own, `[]` each part of a list.",
    "",
  ];
  return `${[...head, ...parts.flat()].join("\n").trimEnd()}\n`;
}
