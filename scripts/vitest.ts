// Runs vitest, and counts what has passed.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { onSignals } from "../process/signals.ts";
import { runProgram, type Tally } from "./checks.ts";
import { fileTally, tallyFileVariable } from "./tally-reporter.ts";

const vitest = "vitest/vitest.mjs";

/** What `npm test` does not leave out: see testbed/property-time.ts. */
const innerLoop = { PROPERTY_MS: "500" };

/** @param args of `vitest run`. */
export function runTests(args: readonly string[]): Promise<Tally> {
  return countTests(args);
}

/** @param args of vitest: which of the unit tests. */
export function runUnitTests(args: readonly string[]): Promise<Tally> {
  return countTests(args, { isUnit: true });
}

async function countTests(args: readonly string[], { isUnit = false } = {}): Promise<Tally> {
  return inOwnTmpFolder(async (folder) => {
    const file = join(folder, "tally.json");
    const reporter = `--reporter=${join(import.meta.dirname, "tally-reporter.ts")}`;
    const env = { ...(isUnit ? innerLoop : {}), TMPDIR: folder, [tallyFileVariable]: file };
    const exitCode = await runProgram(vitest, ["run", reporter, ...(isUnit ? ["--project=unit"] : []), ...args], { env });
    const { files, passed, failed, skipped, failures, skips } = readTally(file);
    if (files === 0) process.stderr.write(`no ${isUnit ? "unit test" : "test"} file matches: ${args.join(" ")}\n`);
    // A file that does not load and an error outside of any test fail the run without failing a test.
    return { passed, failed: exitCode !== 0 && failed === 0 ? 1 : failed, skipped, failures, skips };
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

function readTally(file: string): Tally & { readonly files?: number } {
  try {
    return v.parse(fileTally, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // vitest ended before it wrote one; its exit code and its output tell why.
    return { passed: 0, failed: 0, skipped: 0, failures: [], skips: [] };
  }
}
