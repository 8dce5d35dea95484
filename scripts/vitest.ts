// Runs vitest, and counts what has passed.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { onSignals } from "../process/signals.ts";
import { runProgram, type Tally } from "./checks.ts";
import { fileTally, tallyFileVariable } from "./tally-reporter.ts";

const vitest = "vitest/vitest.mjs";

/** How long each property may take, where not all of its runs are wanted: see testbed/property-time.ts. */
export const briefly: Readonly<Record<string, string>> = { PROPERTY_MS: "500" };

/** @param args of `vitest run`. @param env On top of our own environment. */
export function runTests(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Tally> {
  return countTests(args, { env });
}

/** @param args of vitest: which of the unit tests. */
export function runUnitTests(args: readonly string[]): Promise<Tally> {
  return countTests(args, { isUnit: true, env: briefly });
}

interface CountOptions {
  readonly isUnit?: boolean;
  readonly env: Readonly<Record<string, string>>;
}

async function countTests(args: readonly string[], { isUnit = false, env: more }: CountOptions): Promise<Tally> {
  return inOwnTmpFolder(async (folder) => {
    const file = join(folder, "tally.json");
    const reporter = `--reporter=${join(import.meta.dirname, "tally-reporter.ts")}`;
    const env = { ...more, TMPDIR: folder, [tallyFileVariable]: file };
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
      runProgram(vitest, ["watch", "--project=unit", ...args], { env: { ...briefly, TMPDIR: folder }, stdin: "inherit" }),
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
