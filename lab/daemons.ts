/** Processes of the lab on this machine: started once, found again by their pid file. */
import { spawn } from "node:child_process";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";

const pidFile = (dir: string, name: string) => join(dir, "run", `${name}.pid`);

/** The pid, if that process still is what was started: pids are used again. */
export async function runningPid(dir: string, name: string): Promise<number | undefined> {
  const [pid, mark] = (await readFile(pidFile(dir, name), "utf8").catch(() => "")).split("\n");
  if (!pid || !mark) return undefined;
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  return environment.includes(mark) ? Number(pid) : undefined;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    for (const event of ["error", "timeout"]) {
      socket.once(event, () => {
        socket.destroy();
        resolve(false);
      });
    }
  });
}

/** Starts a daemon unless it runs, and waits until its port answers. */
export async function startDaemon(
  dir: string,
  name: string,
  command: [string, ...string[]],
  listen: { host: string; port: number },
  env: Record<string, string> = {},
): Promise<void> {
  if (await runningPid(dir, name)) return;
  if (await answers(listen.host, listen.port)) {
    throw new Error(
      `${name}: something else already answers on ${listen.host}:${listen.port}. Fix: end it, or use another --net`,
    );
  }
  await mkdir(join(dir, "run"), { recursive: true });
  const logFile = join(dir, "run", `${name}.log`);
  const log = await open(logFile, "a");
  const mark = `AI_BACKEND_LAB_DAEMON=${dir}:${name}`;
  const [variable = "", value = ""] = mark.split("=");
  const child = spawn(command[0], command.slice(1), {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    env: { ...process.env, ...env, [variable]: value },
  });
  child.unref();
  await log.close();
  await writeFile(pidFile(dir, name), `${child.pid}\n${mark}`);
  for (let tries = 0; tries < 100; tries++) {
    if (await answers(listen.host, listen.port)) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  throw new Error(`${name} does not answer on ${listen.host}:${listen.port} after 10 s: see ${logFile}`);
}

export async function stopDaemon(dir: string, name: string): Promise<void> {
  const pid = await runningPid(dir, name);
  if (pid) process.kill(pid, "SIGTERM");
  await rm(pidFile(dir, name), { force: true });
}
