/** Drives a plugin over gRPC the way the engine does, with the requests of the recorded cases. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import statusProto from "@pulumi/pulumi/proto/status_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import structProto from "google-protobuf/google/protobuf/struct_pb.js";
import type { Json, Recorded } from "./recorded-case.ts";

// biome-ignore lint/suspicious/noExplicitAny: the generated messages have no usable types
type Message = any;
const messages: Message = proto;
const { Struct } = structProto as Message;
const { Empty } = emptyProto as Message;
const { ResourceProviderClient } = services as Message;
const KINDS = ["ADD", "ADD_REPLACE", "DELETE", "DELETE_REPLACE", "UPDATE", "UPDATE_REPLACE"];
const CHANGES = ["DIFF_UNKNOWN", "DIFF_NONE", "DIFF_SOME"];

const struct = (value: Json | undefined) => (value === undefined ? undefined : Struct.fromJavaScript(value));
const object = (value: Message) => value?.toJavaScript();

export interface Answer {
  response?: Json;
  error?: { code: string; message: string; details?: { type: string; id: string; properties: Json }[] };
}

export class PluginClient {
  private constructor(
    private readonly child: ChildProcess,
    private readonly client: Message,
  ) {}

  static async start(folder: string, name: string, cwd?: string): Promise<PluginClient> {
    const child = spawn(join(folder, `pulumi-resource-${name}`), [], {
      stdio: ["ignore", "pipe", "inherit"],
      cwd,
      env: { ...process.env, AI_BACKEND_STAND_INS_FOR: "any" },
    });
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [port] = (await once(lines, "line")) as [string];
    const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    return new PluginClient(child, client);
  }

  async stop(): Promise<void> {
    this.client.close();
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }

  async call(recorded: Recorded): Promise<Answer> {
    const { method } = recorded;
    const rpc = (method[0] as string).toLowerCase() + method.slice(1);
    try {
      const response = await new Promise<Message>((resolve, reject) =>
        this.client[rpc](requestOf(recorded), (error: unknown, answer: Message) =>
          error ? reject(error) : resolve(answer),
        ),
      );
      return { response: responseOf(method, response) };
    } catch (error) {
      return { error: errorOf(error as grpc.ServiceError) };
    }
  }
}

const REQUESTS: Record<string, string> = {
  Check: "CheckRequest",
  CheckConfig: "CheckRequest",
  Diff: "DiffRequest",
  DiffConfig: "DiffRequest",
  Create: "CreateRequest",
  Read: "ReadRequest",
  Update: "UpdateRequest",
  Delete: "DeleteRequest",
  Configure: "ConfigureRequest",
  Handshake: "ProviderHandshakeRequest",
};

function requestOf({ method, request }: Recorded): Message {
  if (method === "GetPluginInfo") return new Empty();
  const message = new messages[REQUESTS[method] as string]();
  const set = (name: string, value: unknown) => {
    if (value !== undefined) message[`set${name}`]?.(value);
  };
  set("Urn", request.urn ?? "urn:pulumi:dev::corpus::pulumi:providers:p::p");
  set("Id", request.id);
  set("Olds", struct(request.olds ?? (method === "Check" ? {} : undefined)));
  set("OldInputs", struct(request.oldInputs));
  set("News", struct(request.news));
  set("Properties", struct(request.properties));
  set("Inputs", struct(request.inputs));
  set("Preview", request.preview);
  set("IgnorechangesList", request.ignoreChanges);
  if (method === "Configure") {
    set("Args", struct(request.args ?? {}));
    set("Acceptsecrets", true);
    set("Acceptresources", true);
    for (const [key, value] of Object.entries(request.variables ?? {})) message.getVariablesMap().set(key, value);
  }
  if (request.autonaming) {
    const autonaming = new messages.CheckRequest.AutonamingOptions();
    autonaming.setProposedName(request.autonaming.proposedName);
    autonaming.setMode(request.autonaming.mode);
    set("Autonaming", autonaming);
  }
  return message;
}

function responseOf(method: string, response: Message): Json {
  switch (method) {
    case "Check":
    case "CheckConfig":
      return {
        inputs: object(response.getInputs()) ?? {},
        failures: response
          .getFailuresList()
          .map((one: Message) => ({ property: one.getProperty(), reason: one.getReason() })),
      };
    case "Diff":
    case "DiffConfig": {
      const detailedDiff: Record<string, Json> = {};
      response.getDetaileddiffMap().forEach((one: Message, path: string) => {
        detailedDiff[path] = { kind: KINDS[one.getKind()] as string, ...(one.getInputdiff() && { inputDiff: true }) };
      });
      return {
        changes: CHANGES[response.getChanges()] as string,
        replaces: response.getReplacesList(),
        diffs: response.getDiffsList(),
        deleteBeforeReplace: response.getDeletebeforereplace(),
        hasDetailedDiff: response.getHasdetaileddiff(),
        detailedDiff,
      };
    }
    case "Create":
    case "Read":
    case "Update":
      return {
        ...(method !== "Update" && { id: response.getId() }),
        properties: object(response.getProperties()) ?? {},
        ...(method === "Read" && { inputs: object(response.getInputs()) ?? {} }),
      };
    case "Configure":
      return {
        acceptSecrets: response.getAcceptsecrets(),
        acceptResources: response.getAcceptresources(),
        acceptOutputs: response.getAcceptoutputs(),
        supportsPreview: response.getSupportspreview(),
        supportsAutonamingConfiguration: response.getSupportsAutonamingConfiguration(),
      };
    case "GetPluginInfo":
      return { version: response.getVersion() };
    default:
      return {};
  }
}

function errorOf(error: grpc.ServiceError): NonNullable<Answer["error"]> {
  const code = grpc.status[error.code] as string;
  const packed = error.metadata?.get("grpc-status-details-bin")[0];
  const details = packed
    ? (statusProto as Message).Status.deserializeBinary(new Uint8Array(packed as Buffer))
        .getDetailsList()
        .map((any: Message) => {
          const detail = messages.ErrorResourceInitFailed.deserializeBinary(any.getValue());
          return { type: any.getTypeName(), id: detail.getId(), properties: object(detail.getProperties()) ?? {} };
        })
    : undefined;
  return { code, message: error.details, ...(details && { details }) };
}
