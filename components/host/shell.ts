import type { HostSettings, SshHostSettings } from "../../config/schema/stack.ts";
import { type SshAccess, sshOptions } from "./ssh-options.ts";

export interface Said {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** Runs a script on a host from the program itself: for checks that must come before any change. */
export type Shell = (script: string, limitSeconds: number) => Promise<Said>;

export function shellOf(host: HostSettings, access: SshAccess | undefined, bastion?: SshHostSettings): Shell {
  return async (script, limitSeconds) => {
    const { execa } = await import("execa"); // not before it is needed: a preview runs no shell
    const options = { input: script, reject: false, timeout: limitSeconds * 1000, killSignal: "SIGKILL" } as const;
    const remote = host.kind === "ssh" && access ? { host, access } : undefined;
    const result = remote
      ? await execa(
          "ssh",
          [
            ...sshOptions(remote.access, remote.host, bastion),
            "-l",
            remote.host.user,
            "-p",
            `${remote.host.port}`,
            "--",
            remote.host.address,
            "bash -s",
          ],
          options,
        )
      : // `timeout` ends the whole group: a child that bash leaves behind would hold the output open.
        await execa("timeout", ["--signal=KILL", `${limitSeconds}`, "bash", "-s"], { input: script, reject: false });
    const { exitCode, stdout, stderr, timedOut, signal } = result;
    return { exitCode, stdout, stderr, timedOut: timedOut || signal === "SIGKILL" || exitCode === 137 };
  };
}
