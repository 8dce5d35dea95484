// What is checked without running anything: format, lint and import rules, and types. Each check counts as one test.

import { spawn } from "node:child_process";
import { type Failure, failureLines, parseFailures } from "./failures.ts";
import { clone } from "./setup/cache.mjs";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** As far as that is known. */
  readonly failures: readonly Failure[];
  /** What was skipped, and what it needs, where the tests say so. */
  readonly skips: readonly string[];
}

const checks = [
  { name: "format and lint", program: "@biomejs/biome/bin/biome", args: ["check", "."] },
  { name: "types", program: "typescript/bin/tsc", args: ["-p", ".", "--noEmit"] },
];

/** Runs them one after the other, their output to the terminal. */
export async function runChecks(): Promise<Tally> {
  const failures: Failure[] = [];
  for (const { name, program, args } of checks) {
    process.stdout.write(`check: ${name}\n`);
    if ((await runProgram(program, args)) !== 0) failures.push({ name: `check: ${name}`, why: "" });
  }
  return { passed: checks.length - failures.length, failed: failures.length, skipped: 0, failures, skips: [] };
}

export interface ProgramOptions {
  /** On top of our own environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** inherit: it may read what is typed. */
  readonly stdin?: "ignore" | "inherit";
}

/**
 * @param program Within node_modules.
 * @returns The exit code.
 */
export function runProgram(program: string, args: readonly string[], { env, stdin = "ignore" }: ProgramOptions = {}): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`${clone}/node_modules/${program}`, ...args], {
      cwd: clone,
      env: { ...process.env, ...env },
      stdio: [stdin, "inherit", "inherit"],
    });
    child.once("error", (error) => {
      process.stderr.write(`${program}: ${error.message}\n`);
      resolve(1);
    });
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** What a run counts that could not begin, or did not get to its end. */
export const oneFailure: Tally = { passed: 0, failed: 1, skipped: 0, failures: [], skips: [] };

/** @param said All that a run wrote: its last tally counts. */
export function parseTally(said: string): Tally {
  const found = [...said.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
  if (found === undefined) return oneFailure;
  const [, passed, failed, skipped = 0] = found;
  const counts = { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
  const skips = [...said.matchAll(/^skipped: (.+)$/gm)].map(([, what = ""]) => what);
  return { ...counts, failures: parseFailures(said), skips };
}

/**
 * The last lines of a run: what was skipped and what has failed, and why, which may be far above; and the tally in the form that CI reads.
 * @returns The exit code.
 */
export function reportTally({ passed, failed, skipped, failures, skips }: Tally): number {
  process.stdout.write(["", ...skips.map((what) => `skipped: ${what}`), ...failureLines(failures)].join("\n"));
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
  return failed === 0 ? 0 : 1;
}
