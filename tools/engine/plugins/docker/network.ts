import type Docker from "dockerode";
import type { ResourceType } from "../provider.ts";
import { isObject, type Properties, UNKNOWN, type Value } from "../wire.ts";
import { check, diff } from "./bridge.ts";
import { type Daemon, daemonSaid, failed, isGone, POLL_MS, pause, removeUntilGone } from "./daemon.ts";
import { NETWORK } from "./schema.ts";

export const labelMap = (labels: Value | undefined): Record<string, string> =>
  Object.fromEntries(
    (Array.isArray(labels) ? labels : []).filter(isObject).map(({ label, value }) => [String(label), String(value)]),
  );
export const labelList = (labels: Record<string, string> | undefined | null): Value =>
  Object.entries(labels ?? {}).map(([label, value]) => ({ label, value }));

function stateOf(inputs: Properties, info: Docker.NetworkInspectInfo, read: boolean): Properties {
  return {
    attachable: info.Attachable,
    driver: info.Driver,
    id: info.Id,
    ingress: info.Ingress,
    internal: info.Internal,
    ipamConfigs: (info.IPAM?.Config ?? []).map((config) => ({
      auxAddress: read || inputs.ipamConfigs === undefined ? {} : null,
      gateway: config.Gateway ?? "",
      ipRange: config.IPRange ?? "",
      subnet: config.Subnet ?? "",
    })),
    ipamDriver: inputs.ipamDriver ?? "default",
    ipamOptions: read ? {} : null,
    ipv6: info.EnableIPv6,
    labels: labelList(info.Labels),
    name: info.Name,
    options: (info.Options ?? {}) as Properties,
    scope: info.Scope,
  };
}

export function network(daemon: Daemon): ResourceType {
  return {
    check: (olds, news, context) => check(olds, news, NETWORK, context),
    diff: ({ properties }, news, context) => diff(properties, news, NETWORK, context, true),
    async create(inputs, { preview }) {
      if (preview) {
        const properties: Properties = { id: UNKNOWN, scope: UNKNOWN };
        for (const name of Object.keys(NETWORK)) {
          const unknown = ["driver", "internal", "ipamConfigs", "options"].includes(name);
          properties[name] = inputs[name] ?? (unknown ? UNKNOWN : name === "labels" ? [] : null);
        }
        return { id: "", properties };
      }
      const docker = await daemon.client("");
      const name = inputs.name as string;
      const taken = await docker.listNetworks({ filters: { name: [`^${name}$`] } });
      if (taken.some((one) => one.Name === name)) {
        throw failed(
          "",
          `Unable to create network: Error response from daemon: network with name ${name} already exists`,
        );
      }
      try {
        const made = await docker.createNetwork({
          Name: name,
          CheckDuplicate: true,
          Driver: (inputs.driver as string) ?? "bridge",
          Internal: inputs.internal === true,
          Attachable: inputs.attachable === true,
          Ingress: inputs.ingress === true,
          EnableIPv6: inputs.ipv6 === true,
          Labels: labelMap(inputs.labels),
          Options: (inputs.options as Record<string, string>) ?? {},
          IPAM: {
            Driver: (inputs.ipamDriver as string) ?? "default",
            Config: (Array.isArray(inputs.ipamConfigs) ? inputs.ipamConfigs : []).filter(isObject).map((config) => ({
              ...(config.subnet ? { Subnet: String(config.subnet) } : {}),
              ...(config.gateway ? { Gateway: String(config.gateway) } : {}),
              ...(config.ipRange ? { IPRange: String(config.ipRange) } : {}),
            })),
          },
        });
        await pause(POLL_MS);
        const properties = stateOf(inputs, await docker.getNetwork(made.id).inspect(), false);
        return { id: made.id, properties };
      } catch (error) {
        throw failed("", `Unable to create network: ${daemonSaid(error)}`);
      }
    },
    async read({ id, properties, inputs }, { urn }) {
      const docker = await daemon.client(`refreshing ${urn}: `);
      await pause(POLL_MS);
      try {
        const info = await docker.getNetwork(id).inspect();
        const state: Properties = { ...stateOf(properties, info, true), id };
        const { driver = null, name = null, ipamConfigs } = state;
        const imported: Properties = {
          __defaults: [],
          driver,
          ipamConfigs: (ipamConfigs as Properties[]).map(({ gateway, subnet }) => ({
            __defaults: [],
            gateway: gateway ?? "",
            subnet: subnet ?? "",
          })),
          name,
        };
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
      await removeUntilGone(() => docker.getNetwork(id).remove(), `deleting ${urn}: `, "pending");
    },
  };
}
