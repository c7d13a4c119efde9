/** Containers and networks that an update made just before it was killed: no state knows them. */
import type { Shell } from "./shell.ts";

const LIMIT_SECONDS = 60;

/** Prints `container ID` and `network ID` for everything of a stack on a host. */
const list = (stack: string) => `
docker ps -aq --no-trunc --filter label=ai-backend.stack=${stack} | sed 's/^/container /'
docker network ls -q --no-trunc --filter label=ai-backend.stack=${stack} | sed 's/^/network /'
`;

/** Ids of everything in an exported state. */
function idsOf(state: string): Set<string> {
  const exported = JSON.parse(state) as { deployment?: { resources?: { id?: string }[] } };
  return new Set((exported.deployment?.resources ?? []).flatMap(({ id }) => (id ? [id] : [])));
}

/**
 * Removes what carries this stack's label and is in no state. Left there, it would hold a
 * name or a port that the next update needs. The state is asked for only when there is
 * something on the hosts to compare it with.
 */
export async function clearLeftovers(
  stack: string,
  hosts: { name: string; shell: Shell }[],
  exportState: () => Promise<string>,
): Promise<string[]> {
  const found = await Promise.all(
    hosts.map(async ({ name, shell }) => {
      const { stdout } = await shell(list(stack), LIMIT_SECONDS);
      const things = stdout.split("\n").filter((line) => /^(container|network) [0-9a-f]{64}$/.test(line));
      return { name, shell, things };
    }),
  );
  if (found.every(({ things }) => things.length === 0)) return [];
  const known = idsOf(await exportState());
  const removed = await Promise.all(
    found.map(async ({ name, shell, things }) => {
      const lost = things.filter((line) => !known.has(line.split(" ")[1] ?? ""));
      if (lost.length === 0) return [];
      const removals = lost.map((line) => {
        const [kind, id] = line.split(" ");
        return kind === "container" ? `docker rm -f -v ${id}` : `docker network rm ${id} || true`;
      });
      await shell(removals.join("\n"), LIMIT_SECONDS);
      return lost.map((line) => `${name}: ${line}`);
    }),
  );
  return removed.flat();
}
