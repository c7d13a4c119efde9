import { describe } from "@jest/globals";

/** `describe`, or a named skip where there can be no lab. */
export function needsLab(name: string, body: () => void): void {
  const why = process.env.AI_BACKEND_NO_LAB;
  if (why) describe.skip(`${name} (skipped: ${why})`, body);
  else describe(name, body);
}
