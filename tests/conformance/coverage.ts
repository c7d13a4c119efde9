/** Which of the recorded cases are replayed, and which are not: printed, so that nobody has to trust a number. */

/** Recorded cases of resource types the program does not use: not copied here. */
export const NOT_COPIED: Record<string, number> = {
  "command:remote:CopyToRemote": 47,
  "docker invokes (getNetwork, getRemoteImage, getLogs, …)": 9,
  "random:RandomBytes": 20,
  "random:RandomId": 21,
  "random:RandomPet": 20,
  "random:RandomString": 33,
};

export class Coverage {
  readonly #replayed: string[] = [];
  readonly #left = new Map<string, string[]>();

  replayed(name: string): void {
    this.#replayed.push(name);
  }
  left(why: string, name: string): void {
    this.#left.set(why, [...(this.#left.get(why) ?? []), name]);
  }
  report(title: string): string {
    const lines = [`${title}: ${this.#replayed.length} recorded cases replayed`];
    for (const [why, names] of this.#left)
      lines.push(`  ${names.length} not here, ${why}:`, ...names.map((name) => `    ${name}`));
    return lines.join("\n");
  }
}
