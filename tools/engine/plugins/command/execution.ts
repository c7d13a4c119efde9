import type { Context } from "../provider.ts";

export interface Outcome {
  stdout: string;
  stderr: string;
}

/** One command to run, wherever, and how its output is taken. */
export interface Execution {
  command: string;
  stdin?: string;
  environment: Record<string, string>;
  signal: AbortSignal;
  capture(): Capture;
}

/** Collects both streams, and passes finished lines on to the engine as they come. */
export class Capture {
  readonly #chunks = { stdout: "", stderr: "" };
  #both = "";
  readonly #pending = { stdout: "", stderr: "" };

  constructor(
    private readonly log: Context["log"],
    private readonly logging: string,
  ) {}

  stdout(data: Buffer): void {
    this.#take("stdout", data.toString());
  }
  stderr(data: Buffer): void {
    this.#take("stderr", data.toString());
  }
  both(): string {
    return this.#both;
  }
  outcome(): Outcome {
    for (const stream of ["stdout", "stderr"] as const) this.#say(stream, this.#pending[stream]);
    return { stdout: trimOne(this.#chunks.stdout), stderr: trimOne(this.#chunks.stderr) };
  }

  #take(stream: "stdout" | "stderr", text: string): void {
    this.#chunks[stream] += text;
    this.#both += text;
    const lines = (this.#pending[stream] + text).split("\n");
    this.#pending[stream] = lines.pop() ?? "";
    for (const line of lines) this.#say(stream, line);
  }
  #say(stream: "stdout" | "stderr", line: string): void {
    if (line !== "" && (this.logging === stream || this.logging === "stdoutAndStderr")) this.log("info", line);
  }
}

const trimOne = (text: string) => (text.endsWith("\n") ? text.slice(0, -1) : text);
