/** Lines of HAProxy's configuration, and answers of its own. */

export type Line = readonly (string | number)[];
export const section = (head: string, lines: readonly Line[]) =>
  `${head}\n${lines.map((line) => `  ${line.join(" ")}\n`).join("")}`;

/** JSON between HAProxy's quotes, which know no escape. */
export const quoted = (value: unknown) => `'${JSON.stringify(value).replaceAll("'", "\\u0027")}'`;

/** An error in the shape of OpenAI's, quoted for HAProxy. */
export function errorBody(message: string, type: string, code: string): string {
  return quoted({ error: { message, type, param: null, code } });
}
export const answer = (status: number, body: string) =>
  ["status", status, "content-type", "application/json", "string", body] as const;
