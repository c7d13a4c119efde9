/**
 * Runs one stand-in as a Pulumi resource plugin: the engine starts it with its own
 * address as the argument, reads a port from its first line, and speaks
 * `pulumirpc.ResourceProvider` to it.
 */
import * as grpc from "@grpc/grpc-js";
import engineServices from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineProto from "@pulumi/pulumi/proto/engine_pb.js";
import pluginProto from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import providerProto from "@pulumi/pulumi/proto/provider_pb.js";
import statusProto from "@pulumi/pulumi/proto/status_pb.js";
import anyProto from "google-protobuf/google/protobuf/any_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import structProto from "google-protobuf/google/protobuf/struct_pb.js";
import { type Context, type Difference, type Existing, type Provider, ProviderError } from "./provider.ts";
import type { Properties } from "./wire.ts";

// biome-ignore lint/suspicious/noExplicitAny: the generated messages have no usable types
type Message = any;
type Answer = grpc.sendUnaryData<Message>;

const messages: Message = providerProto;
const pluginMessages: Message = pluginProto;
const engineMessages: Message = engineProto;
const statusMessages: Message = statusProto;
const { Any } = anyProto as Message;
const { Empty } = emptyProto as Message;
const { Struct } = structProto as Message;
const { EngineClient } = engineServices as Message;
const { ResourceProviderService } = services as Message;

/** Stacks a stand-in serves; others get an error, since a stand-in is not the real plugin. */
const LAB_STACK = /^(lab|test)([-_.].*)?$/;
const ALLOWED = "AI_BACKEND_STAND_INS_FOR";
const MAX_MESSAGE = 400 * 1024 * 1024;

const toObject = (struct: Message): Properties => (struct ? struct.toJavaScript() : {});
const toStruct = (properties: Properties): Message => Struct.fromJavaScript(properties);

function guard(urn: string, provider: Provider): void {
  const stack = urn.split("::")[0]?.split(":").pop() ?? "";
  const allowed = (process.env[ALLOWED] ?? "").split(",");
  if (LAB_STACK.test(stack) || allowed.includes(stack) || allowed.includes("any")) return;
  throw new ProviderError(
    "INVALID_ARGUMENT",
    `this is a simulated "${provider.name}" plugin, made for lab and test stacks; it refuses stack "${stack}". ` +
      `Install the real plugin (pulumi plugin install resource ${provider.name} v${provider.version}), or set ${ALLOWED}=${stack} to use the simulation all the same.`,
  );
}

function failure(error: unknown): Message {
  const known = error instanceof ProviderError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const code = grpc.status[known?.code ?? "UNKNOWN"];
  if (!known?.partial) return { code, details: message, message };
  const detail = new messages.ErrorResourceInitFailed();
  detail.setId(known.partial.id);
  detail.setProperties(toStruct(known.partial.properties));
  detail.setInputs(toStruct(known.partial.inputs));
  detail.setReasonsList([message]);
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new statusMessages.Status();
  status.setCode(code);
  status.setMessage(message);
  status.addDetails(any);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return { code, details: message, message, metadata };
}

/** Turns an async function into a gRPC handler that never throws past it. */
const handler =
  (run: (request: Message) => Promise<Message> | Message) =>
  (call: grpc.ServerUnaryCall<Message, Message>, answer: Answer) => {
    (async () => run(call.request))().then(
      (response) => answer(null, response),
      (error) => answer(failure(error)),
    );
  };

const KINDS = { ADD: 0, ADD_REPLACE: 1, DELETE: 2, DELETE_REPLACE: 3, UPDATE: 4, UPDATE_REPLACE: 5 };
const CHANGES = { DIFF_UNKNOWN: 0, DIFF_NONE: 1, DIFF_SOME: 2 };

function diffResponse(difference: Difference): Message {
  const response = new messages.DiffResponse();
  response.setChanges(CHANGES[difference.changes]);
  response.setReplacesList(difference.replaces);
  response.setDiffsList(difference.diffs);
  response.setDeletebeforereplace(difference.deleteBeforeReplace);
  response.setHasdetaileddiff(difference.hasDetailedDiff);
  for (const [path, { kind, inputDiff }] of Object.entries(difference.detailed ?? {})) {
    const one = new messages.PropertyDiff();
    one.setKind(KINDS[kind]);
    one.setInputdiff(inputDiff ?? false);
    response.getDetaileddiffMap().set(path, one);
  }
  return response;
}

function checkResponse({ inputs, failures }: { inputs: Properties; failures: { property: string; reason: string }[] }) {
  const response = new messages.CheckResponse();
  response.setInputs(toStruct(inputs));
  response.setFailuresList(
    failures.map(({ property, reason }) => {
      const one = new messages.CheckFailure();
      one.setProperty(property);
      one.setReason(reason);
      return one;
    }),
  );
  return response;
}

export function serve(provider: Provider): void {
  const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const engine = engineAddress ? new EngineClient(engineAddress, grpc.credentials.createInsecure()) : undefined;
  const cancelled = new AbortController();

  const log = (severity: "info" | "warning" | "error", urn: string, message: string) => {
    if (!engine) return;
    const request = new engineMessages.LogRequest();
    request.setSeverity({ info: 1, warning: 2, error: 3 }[severity]);
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(severity === "info");
    engine.log(request, () => {});
  };
  const typeOf = (urn: string) => {
    const token = (urn.split("::")[2] ?? "").split("$").pop() ?? "";
    const type = provider.types[token];
    if (!type) throw provider.unknownType(token);
    return type;
  };
  const context = (request: Message): Context => {
    const urn: string = request.getUrn();
    guard(urn, provider);
    const autonaming = request.getAutonaming?.();
    return {
      urn,
      name: urn.split("::").pop() ?? "",
      preview: request.getPreview?.() ?? false,
      ignoreChanges: request.getIgnorechangesList?.() ?? [],
      ...(autonaming && { autonaming: { proposedName: autonaming.getProposedName(), mode: autonaming.getMode() } }),
      signal: cancelled.signal,
      log: (severity, message) => log(severity, urn, message),
    };
  };
  const existing = (request: Message, properties: Message, inputs: Message): Existing => ({
    id: request.getId(),
    properties: toObject(properties),
    inputs: toObject(inputs),
  });

  const methods = {
    getPluginInfo: handler(() => {
      const info = new pluginMessages.PluginInfo();
      info.setVersion(provider.version);
      return info;
    }),
    checkConfig: handler((r) => checkResponse(provider.checkConfig(toObject(r.getNews())))),
    diffConfig: handler((r) =>
      diffResponse(provider.diffConfig(toObject(r.getOldInputs() ?? r.getOlds()), toObject(r.getNews()))),
    ),
    configure: handler(async (r) => {
      await provider.configure(toObject(r.getArgs()));
      const response = new messages.ConfigureResponse();
      response.setAcceptsecrets(provider.capabilities.secrets);
      response.setAcceptresources(provider.capabilities.resources);
      response.setAcceptoutputs(provider.capabilities.outputs);
      response.setSupportspreview(true);
      response.setSupportsAutonamingConfiguration(provider.capabilities.autonaming);
      return response;
    }),
    check: handler(async (r) => {
      const about = context(r);
      return checkResponse(await typeOf(about.urn).check(toObject(r.getOlds()), toObject(r.getNews()), about));
    }),
    diff: handler((r) => {
      const old = existing(r, r.getOlds(), r.getOldInputs());
      return diffResponse(typeOf(r.getUrn()).diff(old, toObject(r.getNews()), context(r)));
    }),
    create: handler(async (r) => {
      const made = await typeOf(r.getUrn()).create(toObject(r.getProperties()), context(r));
      const response = new messages.CreateResponse();
      response.setId(made.id);
      response.setProperties(toStruct(made.properties));
      return response;
    }),
    read: handler(async (r) => {
      const found = await typeOf(r.getUrn()).read(existing(r, r.getProperties(), r.getInputs()), context(r));
      const response = new messages.ReadResponse();
      response.setId(found.id);
      if (found.id !== "") {
        response.setProperties(toStruct(found.properties));
        response.setInputs(toStruct(found.inputs));
      }
      return response;
    }),
    update: handler(async (r) => {
      const old = existing(r, r.getOlds(), r.getOldInputs());
      const response = new messages.UpdateResponse();
      response.setProperties(toStruct(await typeOf(r.getUrn()).update(old, toObject(r.getNews()), context(r))));
      return response;
    }),
    delete: handler(async (r) => {
      await typeOf(r.getUrn()).delete(existing(r, r.getProperties(), r.getOldInputs()), context(r));
      return new Empty();
    }),
    cancel: handler(() => {
      cancelled.abort();
      return new Empty();
    }),
  };
  for (const name of [
    "handshake",
    "parameterize",
    "getSchema",
    "invoke",
    "call",
    "construct",
    "attach",
    "getMapping",
  ]) {
    Object.assign(methods, {
      [name]: handler(() => {
        const said = provider.name === "random" ? `${name} is not yet implemented` : `method ${name} not implemented`;
        throw new ProviderError("UNIMPLEMENTED", said.replace("handshake", "Handshake"));
      }),
    });
  }

  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
  });
  server.addService(ResourceProviderService, methods);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${port}\n`);
  });
  // The engine ends a plugin by a signal to its process group, after Cancel. Should the engine
  // itself be killed, nobody does.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 1000).unref();
}
