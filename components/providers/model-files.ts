/** Files of models in an engine's container: what is mounted, where it is then, and what must come first. */
import * as pulumi from "@pulumi/pulumi";
import type { FileSource, FolderSource } from "../../config/schema/engines.ts";
import type { Host } from "../host/host.ts";
import { digestOf } from "../service/digest.ts";
import type { Mount } from "../service/service.ts";

/** Where models are in every engine's container. */
const MODELS = "/models";

export interface Hub {
  /** Base URL of Hugging Face, or of a mirror. */
  url: string;
  /** Stack secret with a token, for gated models. */
  token?: pulumi.Output<string>;
}

export class ModelFiles {
  readonly mounts: Mount[] = [];
  /** The container must wait for these. */
  readonly fetched: pulumi.Resource[] = [];
  readonly #host: Host;
  readonly #hub: Hub;

  constructor(host: Host, hub: Hub) {
    this.#host = host;
    this.#hub = hub;
  }

  /** A file's path in the container. */
  file(source: FileSource): string {
    if (source.path) return this.#lying(source.path);
    const { huggingface, revision = "", file = "", url = "", sha256 } = source;
    if (huggingface) {
      const name = `hub/${huggingface}/${revision}/${file}`;
      return this.#fetch(name, `hub-file ${name} ${sha256 ?? "-"} ${this.#hub.url} ${huggingface} ${revision} ${file}`);
    }
    const name = `sha256/${sha256}/${fileNameOf(url)}`;
    return this.#fetch(name, `file ${name} ${sha256} '${url}'`);
  }

  /** A folder's path in the container. `image` has the hub's library. */
  folder(source: FolderSource, image: pulumi.Input<string>): string {
    if (source.path) return this.#lying(source.path);
    const { huggingface = "", revision = "" } = source;
    const name = `hub/${huggingface}/${revision}.all`;
    return this.#fetch(
      name,
      pulumi.interpolate`hub-folder ${name} ${image} ${this.#hub.url} ${huggingface} ${revision}`,
    );
  }

  #lying(path: string): string {
    const folder = path.replace(/\/[^/]*$/, "") || "/";
    const at = `${MODELS}/${digestOf(folder).slice(0, 8)}`;
    this.#mount(folder, at);
    return `${at}/${path.slice(folder.length).replace(/^\//, "")}`;
  }

  #fetch(name: string, verb: pulumi.Input<string>): string {
    this.fetched.push(this.#host.model(name, verb, this.#hub.token));
    this.#mount(`${this.#host.dataDir}/models`, `${MODELS}/fetched`);
    return `${MODELS}/fetched/${name}`;
  }

  #mount(hostPath: string, containerPath: string): void {
    if (!this.mounts.some((mount) => mount.containerPath === containerPath))
      this.mounts.push({ hostPath, containerPath });
  }
}

const fileNameOf = (url: string) =>
  decodeURIComponent(new URL(url).pathname.split("/").at(-1) ?? "").replace(/[^A-Za-z0-9._-]/g, "-") || "model";
