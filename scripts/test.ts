// npm test: the checks, then every test, against real processes.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { reportTally, runChecks, runProgram, type Tally } from "./checks.ts";
import { findNatsServer, NatsServerMissing } from "./nats/binary.ts";
import { cacheFolder } from "./setup/cache.mjs";

const usage = `npm test [-- arguments of vitest]

Runs "npm run check" and every test, or those that the arguments choose: npm test -- protocol`;

/** What vitest's JSON reporter counts, of which we need little. */
const vitestReport = v.object({
  numPassedTests: v.number(),
  numFailedTests: v.number(),
  numPendingTests: v.number(),
  numTodoTests: v.number(),
});

export async function run(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  try {
    // Once, before many tests want it at the same time.
    await findNatsServer({ folder: join(cacheFolder({}), "nats"), environment: process.env });
  } catch (error) {
    if (!(error instanceof NatsServerMissing)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  const checks = await runChecks();
  const tests = await runTests(args);
  return reportTally({ passed: checks.passed + tests.passed, failed: checks.failed + tests.failed, skipped: tests.skipped });
}

async function runTests(args: readonly string[]): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-test-"));
  try {
    const report = join(folder, "vitest.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    // tsx keeps what it has compiled among the temporary files, and every process that starts reads the list of them. Clones and
    // releases of tests add thousands, which would be of no use after this run.
    const exitCode = await runProgram("vitest/vitest.mjs", ["run", ...reporters, ...args], { TMPDIR: folder });
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = readReport(report);
    // A file that does not load and an error outside of any test fail the run without failing a test.
    const failed = exitCode !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
    return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(file: string): v.InferOutput<typeof vitestReport> {
  try {
    return v.parse(vitestReport, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // vitest ended before it wrote one; its exit code and its output tell why.
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}
