// Runs vitest, and counts what has passed.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { onSignals } from "../process/signals.ts";
import { runProgram, type Tally } from "./checks.ts";

/** What vitest's JSON reporter counts, of which we need little. */
const vitestReport = v.object({
  numPassedTests: v.number(),
  numFailedTests: v.number(),
  numPendingTests: v.number(),
  numTodoTests: v.number(),
});

const vitest = "vitest/vitest.mjs";

/** What `npm test` does not leave out: see testbed/property-time.ts. */
const innerLoop = { PROPERTY_MS: "500" };

/** @param args of `vitest run`. */
export function runTests(args: readonly string[]): Promise<Tally> {
  return countTests(args, {});
}

/** @param args of vitest: which of the unit tests. */
export function runUnitTests(args: readonly string[]): Promise<Tally> {
  return countTests(["--project=unit", ...args], innerLoop);
}

async function countTests(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  return inOwnTmpFolder(async (folder) => {
    const report = join(folder, "vitest.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const exitCode = await runProgram(vitest, ["run", ...reporters, ...args], { env: { ...env, TMPDIR: folder } });
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = readReport(report);
    // A file that does not load and an error outside of any test fail the run without failing a test.
    const failed = exitCode !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
    return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
  });
}

/**
 * Runs unit tests again whenever a file that they import is saved, until a key or a signal ends it.
 * @returns The exit code.
 */
export async function watchUnitTests(args: readonly string[]): Promise<number> {
  // Ctrl-C is vitest's, as keys are. What it leaves is removed here.
  const forget = onSignals(() => undefined);
  try {
    return await inOwnTmpFolder((folder) =>
      runProgram(vitest, ["watch", "--project=unit", ...args], { env: { ...innerLoop, TMPDIR: folder }, stdin: "inherit" }),
    );
  } finally {
    forget();
  }
}

// tsx keeps what it has compiled among the temporary files, and every process that starts reads the list of them. Clones and
// releases of tests add thousands, which would be of no use after this run.
async function inOwnTmpFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-test-"));
  try {
    return await use(folder);
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
