import { spawn } from "node:child_process";
import { ProviderError } from "../provider.ts";
import type { Execution, Outcome } from "./execution.ts";

const SIGNALS: Record<string, string> = { SIGTERM: "terminated", SIGKILL: "killed", SIGINT: "interrupt" };

/** Runs a command on this machine. Throws a ProviderError in the real plugin's words. */
export function executeLocally(
  execution: Execution,
  options: { interpreter: string[]; dir?: string },
): Promise<Outcome> {
  const [program, ...args] = options.interpreter as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, execution.command], {
      cwd: options.dir,
      env: { ...process.env, ...execution.environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output = execution.capture();
    const abort = () => child.kill("SIGTERM");
    execution.signal.addEventListener("abort", abort, { once: true });
    child.stdout.on("data", (data) => output.stdout(data));
    child.stderr.on("data", (data) => output.stderr(data));
    child.stdin.on("error", () => {}); // a command may end before it has read everything
    child.stdin.end(execution.stdin ?? "");
    const fail = (reason: string) =>
      reject(new ProviderError("UNKNOWN", `${reason}: running "${execution.command}":\n${output.both()}`));
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing =
        error.syscall?.startsWith("spawn") && options.dir ? `chdir ${options.dir}` : `fork/exec ${program}`;
      fail(`${missing}: ${error.code === "ENOENT" ? "no such file or directory" : error.message}`);
    });
    child.on("close", (code, signal) => {
      execution.signal.removeEventListener("abort", abort);
      if (code === 0) resolve(output.outcome());
      else fail(signal ? `signal: ${SIGNALS[signal] ?? signal}` : `exit status ${code}`);
    });
  });
}
