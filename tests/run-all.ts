/** `npm test`: format, lint, types, then every test; the last line is `N passed, N failed`. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

const ROOT = join(import.meta.dirname, "..");
const scratch = await mkdtemp(join(tmpdir(), "ai-backend-test-"));
const count = { passed: 0, failed: 0, skipped: 0 };

async function command(title: string, program: string, args: string[]): Promise<void> {
  const began = Date.now();
  const { exitCode } = await execa(program, args, { cwd: ROOT, stdio: "inherit", reject: false });
  count[exitCode === 0 ? "passed" : "failed"]++;
  process.stdout.write(
    `${exitCode === 0 ? "ok" : "FAILED"}  ${title} [${((Date.now() - began) / 1000).toFixed(1)} s]\n`,
  );
}

/** One jest project. Its exit code counts too: coverage below the line fails it without a failed test. */
async function jest(project: string, ...args: string[]): Promise<void> {
  const began = Date.now();
  const report = join(scratch, `${project}.json`);
  const jestArgs = [
    "--experimental-vm-modules",
    "--no-warnings",
    "node_modules/jest/bin/jest.js",
    "--selectProjects",
    project,
  ];
  const { exitCode } = await execa("node", [...jestArgs, "--json", "--outputFile", report, ...args], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "ignore", // the report as JSON; what a person reads comes on stderr
    stderr: "inherit",
    reject: false,
  });
  const result = await readFile(report, "utf8").then(JSON.parse, () => undefined);
  count.passed += result?.numPassedTests ?? 0;
  count.skipped += result?.numPendingTests ?? 0;
  const failed = (result?.numFailedTests ?? 0) + (result?.numRuntimeErrorTestSuites ?? 0);
  count.failed += exitCode === 0 ? 0 : Math.max(1, failed);
  if (exitCode !== 0 && failed === 0)
    process.stdout.write(
      `${project}: no test failed, but jest did (coverage below the line, or a set-up that broke)\n`,
    );
  process.stdout.write(
    `${exitCode === 0 ? "ok" : "FAILED"}  ${project} tests [${((Date.now() - began) / 1000).toFixed(1)} s]\n`,
  );
}

await command("format and lint", "node_modules/.bin/biome", ["ci", "--error-on-warnings", "."]);
await command("types", "node_modules/.bin/tsc", ["--noEmit"]);
await jest("unit", "--coverage");
await jest("integration", "--maxWorkers=2");
await rm(scratch, { recursive: true, force: true });
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped}\n`);
process.exitCode = count.failed > 0 ? 1 : 0;
