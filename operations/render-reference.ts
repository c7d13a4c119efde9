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
  /** The type it belongs to, where a mapping's settings differ by its type. */
  of: string;
  shape: string;
  required: boolean;
  text: string;
}

/** What an option of a mapping is told by: the only value of its `type` or `kind`. */
const typeOf = ({ properties = {} }: JsonSchema) =>
  ["type", "kind"].flatMap((name) => properties[name]?.const ?? properties[name]?.enum?.join(", ") ?? [])[0];

function rows(schema: JsonSchema, path: string, required: boolean, of = ""): Row[] {
  const own: Row[] = path === "" ? [] : [{ path, of, shape: shape(schema), required, text: schema.description ?? "" }];
  const options = schema.anyOf ?? schema.oneOf ?? [];
  const inside = [schema, ...options].flatMap((option) => {
    const { properties = {}, required: needed = [], additionalProperties, items } = option;
    const type = String((option === schema ? undefined : typeOf(option)) ?? of);
    return [
      ...Object.entries(properties).flatMap(([name, inner]) =>
        rows(inner, path === "" ? name : `${path}.${name}`, needed.includes(name), type),
      ),
      ...(typeof additionalProperties === "object" ? deeper(additionalProperties, `${path}.NAME`, type) : []),
      ...(items ? deeper(items, `${path}[]`, type) : []),
    ];
  });
  return [...own, ...inside];
}

/** What is inside the parts of a list or mapping; a plain part is said by its holder's shape. */
function deeper(schema: JsonSchema, path: string, of: string): Row[] {
  return rows(schema, path, false, of).filter((row) => row.path !== path || shape(schema) !== "mapping");
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

export function renderReference(schemas: Record<string, JsonSchema>): string {
  const parts = Object.entries(schemas).map(([name, schema]) => {
    const seen = new Map<string, Row>();
    for (const row of rows(schema, "", false)) {
      const key = JSON.stringify([row.path, row.shape, row.text]);
      const same = seen.get(key);
      if (row.text === "") continue;
      if (!same) seen.set(key, { ...row });
      else if (!same.of.split(", ").includes(row.of)) same.of += `, ${row.of}`;
    }
    const all = [...seen.values()];
    // A setting that every type has, alike, needs no word about types.
    const types = new Set(all.flatMap(({ of }) => of.split(", ")).filter(Boolean));
    const label = ({ path, of }: Row) => {
      const alone = all.filter((other) => other.path === path).length === 1;
      const everywhere = of === "" || of.split(", ").filter(Boolean).length === types.size;
      return alone && everywhere ? `\`${path}\`` : `\`${path}\` (${of})`;
    };
    const table = all.map(
      (row) => `| ${label(row)} | ${cell(row.shape)} | ${row.required ? "yes" : ""} | ${cell(row.text)} |`,
    );
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
