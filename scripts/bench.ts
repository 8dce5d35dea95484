// npm run bench: thinstate's speed as a share of what uWebSockets.js alone does on the same machine.

import { compare, isClean, type RowResult, type Sides } from "../bench/comparison.ts";
import { fileLimit, fileLimitFault } from "../bench/file-limit.ts";
import { type Options, parseOptions, usage } from "../bench/options.ts";
import { provenanceOf } from "../bench/provenance.ts";
import { type UnmeasuredRow, writeResults } from "../bench/results.ts";
import type { Row } from "../bench/row.ts";
import { Report } from "../bench/run-report.ts";
import { Running } from "../bench/running.ts";
import { bare, thinstate } from "../bench/side.ts";
import { UnknownCommit, Worktree, WorktreeError } from "../bench/worktree.ts";
import { parseCommandLine } from "../process/arguments.ts";
import { canTellUsage } from "../testbed/usage.ts";
import { clone } from "./setup/cache.mjs";
import { startProgress } from "./setup/progress.mjs";

export async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, usage, parseOptions);
  if (typeof options === "number") return options;
  const running = new Running();
  return running.whole(() =>
    options.against === undefined ? againstBare(options, args, running) : againstCommit(options, options.against, running),
  );
}

async function againstBare(options: Options, args: readonly string[], running: Running): Promise<number> {
  const sides = { subject: thinstate("thinstate", clone), reference: bare };
  // Before, since somebody may go on editing meanwhile.
  const provenance = await provenanceOf(args);
  const { results, unmeasured, isWell } = await measureAll(options, sides, running);
  if (options.isWritten && results.length + unmeasured.length === options.chosen.length) {
    const names = { subject: sides.subject.name, reference: sides.reference.name };
    const files = writeResults({ rows: results, unmeasured, names, provenance });
    if (!options.isJson) process.stdout.write(`\nwritten: ${files.join(", ")}\n`);
  }
  return isWell ? 0 : 1;
}

async function againstCommit(options: Options, ref: string, running: Running): Promise<number> {
  try {
    return await running.use(checkOut(ref), async (worktree) => {
      const sides = { subject: thinstate("here", clone), reference: thinstate(shortened(ref), worktree.clone) };
      return (await measureAll(options, sides, running)).isWell ? 0 : 1;
    });
  } catch (error) {
    if (!(error instanceof WorktreeError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error instanceof UnknownCommit ? 2 : 1;
  }
}

async function checkOut(ref: string): Promise<Worktree> {
  const progress = startProgress(`checking out ${ref}`);
  try {
    const worktree = await Worktree.checkOut(ref);
    progress.done();
    return worktree;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** A whole hash would not fit above a column. */
function shortened(ref: string): string {
  return /^[0-9a-f]{12,40}$/.test(ref) ? ref.slice(0, 7) : ref;
}

interface Measured {
  readonly results: RowResult[];
  /** What this machine cannot measure. */
  readonly unmeasured: UnmeasuredRow[];
  /** Every row was measured, and nothing went wrong in any. */
  readonly isWell: boolean;
}

async function measureAll(options: Options, sides: Sides, running: Running): Promise<Measured> {
  const { chosen, times, seconds, isJson } = options;
  const report = new Report({ subject: sides.subject.name, reference: sides.reference.name }, isJson);
  const results: RowResult[] = [];
  const unmeasured: UnmeasuredRow[] = [];
  const limit = fileLimit();
  report.head();
  for (const row of chosen) {
    report.begin(row.title);
    const fault = faultOf(row, limit);
    if (fault !== undefined) {
      report.failed(row.title, fault);
      unmeasured.push({ title: row.title, why: fault });
      continue;
    }
    try {
      const onStep = (step: string) => report.update(`${row.title}: ${step}`);
      const result = await compare(row, { ...sides, times, seconds, running, onStep });
      results.push(result);
      report.row(result);
    } catch (error) {
      report.failed(row.title, (error as Error).message);
    }
  }
  report.end();
  return { results, unmeasured, isWell: results.length === chosen.length && results.every(isClean) };
}

/** @returns why a row cannot be measured here. */
function faultOf(row: Row, limit: number): string | undefined {
  if (row.needsUsage && !canTellUsage) return "It asks Linux what processes use, and this is another system.";
  return fileLimitFault(row.connections, limit);
}
