import type Docker from "dockerode";
import type { ResourceType } from "../provider.ts";
import { type Properties, UNKNOWN } from "../wire.ts";
import { check, diff } from "./bridge.ts";
import { type Daemon, daemonSaid, failed, isGone, removeUntilGone } from "./daemon.ts";
import { labelList, labelMap } from "./network.ts";
import { VOLUME } from "./schema.ts";

function stateOf(inputs: Properties, info: Docker.VolumeInspectInfo, read: boolean): Properties {
  return {
    cluster: null,
    driver: info.Driver,
    driverOpts: Object.keys(info.Options ?? {}).length > 0 ? info.Options : (inputs.driverOpts ?? (read ? {} : null)),
    id: info.Name,
    labels: labelList(info.Labels),
    mountpoint: info.Mountpoint,
    name: info.Name,
  };
}

export function volume(daemon: Daemon): ResourceType {
  return {
    check: (olds, news, context) => check(olds, news, VOLUME, context),
    diff: ({ properties }, news, context) => diff(properties, news, VOLUME, context, true),
    async create(inputs, { preview }) {
      if (preview) {
        const { driver = UNKNOWN, driverOpts = null, labels = [], name = UNKNOWN } = inputs;
        const properties = { cluster: null, driver, driverOpts, id: UNKNOWN, labels, mountpoint: UNKNOWN, name };
        return { id: "", properties };
      }
      const docker = await daemon.client("");
      try {
        const name = inputs.name as string;
        await docker.createVolume({
          Name: name,
          ...(inputs.driver ? { Driver: inputs.driver as string } : {}),
          DriverOpts: (inputs.driverOpts as Record<string, string>) ?? {},
          Labels: labelMap(inputs.labels),
        });
        return { id: name, properties: stateOf(inputs, await docker.getVolume(name).inspect(), false) };
      } catch (error) {
        throw failed("", `Unable to create volume: ${daemonSaid(error)}`);
      }
    },
    async read({ id, properties, inputs }, { urn }) {
      const docker = await daemon.client(`refreshing ${urn}: `);
      try {
        const state = stateOf(properties, await docker.getVolume(id).inspect(), true);
        const imported = { __defaults: [], driver: state.driver ?? "", name: id };
        return { id, properties: state, inputs: Object.keys(inputs).length > 0 ? inputs : imported };
      } catch (error) {
        if (isGone(error)) return { id: "", properties: {}, inputs: {} };
        throw error;
      }
    },
    async update({ properties }) {
      return properties; // every change replaces
    },
    async delete({ id }, { urn }) {
      const docker = await daemon.client(`deleting ${urn}: `);
      await removeUntilGone(() => docker.getVolume(id).remove(), `deleting ${urn}: `, "in_use");
    },
  };
}
