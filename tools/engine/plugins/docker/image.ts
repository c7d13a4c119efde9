import type Docker from "dockerode";
import type { ResourceType } from "../provider.ts";
import { type Properties, UNKNOWN } from "../wire.ts";
import { check, diff } from "./bridge.ts";
import { type Daemon, daemonSaid, failed, isGone } from "./daemon.ts";
import { REMOTE_IMAGE } from "./schema.ts";

/** The image as the daemon has it, pulled first when it is not there. The name, without its tag or digest, is its repository. */
export async function pulled(docker: Docker, name: string): Promise<Docker.ImageInspectInfo> {
  try {
    return await docker.getImage(name).inspect();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  try {
    const stream = await docker.pull(name);
    await new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve())),
    );
  } catch (error) {
    throw new Error(`unable to pull image ${name}: error pulling image ${name}: ${daemonSaid(error)}`);
  }
  return docker.getImage(name).inspect();
}

const repositoryOf = (name: string) => name.replace(/@.*$/, "").replace(/:[^/:]*$/, "");

function stateOf(inputs: Properties, info: Docker.ImageInspectInfo): Properties {
  const name = inputs.name as string;
  const repoDigest = (info.RepoDigests ?? []).find((digest) => digest.startsWith(`${repositoryOf(name)}@`)) ?? "";
  return {
    build: null,
    forceRemove: inputs.forceRemove ?? null,
    id: `${info.Id}${name}`,
    imageId: info.Id,
    keepLocally: inputs.keepLocally ?? null,
    name,
    platform: inputs.platform ?? null,
    pullTriggers: inputs.pullTriggers ?? null,
    repoDigest,
    triggers: inputs.triggers ?? null,
  };
}

export function remoteImage(daemon: Daemon): ResourceType {
  return {
    check: (olds, news, context) => check(olds, news, REMOTE_IMAGE, context),
    diff: ({ properties }, news, context) => diff(properties, news, REMOTE_IMAGE, context, false),
    async create(inputs, { preview }) {
      if (preview) {
        const unknown = { Id: UNKNOWN, RepoDigests: [] } as unknown as Docker.ImageInspectInfo;
        return { id: "", properties: { ...stateOf(inputs, unknown), id: UNKNOWN, repoDigest: UNKNOWN } };
      }
      const docker = await daemon.client("");
      try {
        const properties = stateOf(inputs, await pulled(docker, inputs.name as string));
        return { id: properties.id as string, properties };
      } catch (error) {
        throw failed("", `Unable to read Docker image into resource: ${(error as Error).message}`);
      }
    },
    async read({ id, properties, inputs }, { urn }) {
      const docker = await daemon.client(`refreshing ${urn}: `);
      try {
        const info = await docker.getImage(properties.name as string).inspect();
        return { id, properties: stateOf(properties, info), inputs };
      } catch (error) {
        if (isGone(error)) return { id: "", properties: {}, inputs: {} };
        throw error;
      }
    },
    async update({ properties }, news) {
      return { ...properties, keepLocally: news.keepLocally ?? null, forceRemove: news.forceRemove ?? null };
    },
    async delete({ properties }, { urn }) {
      if (properties.keepLocally === true) return;
      const docker = await daemon.client(`deleting ${urn}: `);
      try {
        await docker.getImage(properties.name as string).remove({ force: properties.forceRemove === true });
      } catch (error) {
        if (!isGone(error)) throw failed(`deleting ${urn}: `, `Unable to remove Docker image: ${daemonSaid(error)}`);
      }
    },
  };
}
