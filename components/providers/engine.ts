/** What every engine takes, and where it can be reached. */
import type * as docker from "@pulumi/docker";
import type { EngineSettings } from "../../config/schema/engines.ts";
import type { Host } from "../host/host.ts";
import type { ServiceArgs } from "../service/service.ts";
import type { Hub } from "./model-files.ts";

export interface EngineArgs<T extends EngineSettings> {
  host: Host;
  image: string;
  engine: T;
  /** The names it knows its models by. */
  served: string[];
  /**
   * `network`: the gateway is on this host and reaches it in the Docker network. Otherwise the
   * private address of the host, on which the engine's port is published.
   */
  reach: { network: docker.Network } | { address: string };
  hub: Hub;
}

/** The part of a service that follows from the place and the room of an engine. */
export function placed<T extends EngineSettings>(
  name: string,
  { host, image, engine, reach }: EngineArgs<T>,
  port: number,
) {
  return {
    host,
    image,
    uid: 65534,
    ...("network" in reach
      ? { network: { network: reach.network, aliases: [name] } }
      : { ports: [{ ip: reach.address, external: engine.port, internal: port }] }),
    ...(engine.gpus !== 0 && { gpus: engine.gpus }),
    memoryMiB: engine.memory_mib,
    replacement: "inPlace",
  } satisfies Partial<ServiceArgs>;
}

/** Base URL of an engine, as an OpenAI client wants it. */
export const urlOf = <T extends EngineSettings>(name: string, { reach, engine }: EngineArgs<T>, port: number) =>
  "network" in reach ? `http://${name}:${port}/v1` : `http://${reach.address}:${engine.port}/v1`;
