/** Pulumi's mocks with a record of everything that was registered. */
import * as pulumi from "@pulumi/pulumi";

export interface Registered {
  type: string;
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: inputs of any resource
  inputs: any;
}

/** Starts recording. What is unknown in a preview is unknown here too when `preview` is set. */
export async function recordResources(preview = false): Promise<Registered[]> {
  const registered: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        registered.push({ type, name, inputs });
        const made = { ...inputs };
        if (type === "random:index/randomPassword:RandomPassword") made.result = `secret-of-${name}`;
        if (type === "docker:index/remoteImage:RemoteImage")
          made.repoDigest = `${String(inputs.name).replace(/:[^/:]*$/, "")}@sha256:${"0".repeat(64)}`;
        if (type === "docker:index/container:Container") made.name = inputs.name ?? `${name}-0000000`;
        return { id: id || `${name}-id`, state: made };
      },
      call: () => ({}),
    },
    "ai-backend",
    "test",
    preview,
  );
  return registered;
}

/** The value of an output; an error, not a hang, when it never comes. */
export async function knownValue<T>(output: pulumi.Input<T>, limitMs = 3000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error("the output has no value: it is unknown, or something before it failed")),
      limitMs,
    );
  });
  const value = new Promise<T>((resolve) => {
    pulumi.output(output).apply((known) => resolve(known as T));
  });
  return Promise.race([value, late]).finally(() => clearTimeout(timer));
}

/** Waits until everything that was begun is registered. */
export async function settled(): Promise<void> {
  await pulumi.runtime.disconnect();
  await new Promise((wake) => setTimeout(wake, 50));
}
