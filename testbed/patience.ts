// How long tests, chaos and bench wait for what has to come. A machine that is only busy gets there sooner: with twenty
// programs beside it on two cores, what takes a second otherwise takes ten or twenty. What is reached hangs.

import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";

export const patienceMs = 180_000;

/** More would be longer than what waits for it. */
const mostStretch = 30;

/**
 * A duration that suits a machine with nothing else to do, stretched by how many programs share a core now: for what is to be
 * quick, and for time-outs that are to end for their own reason.
 * @returns Whole milliseconds.
 */
export function stretchedMs(ms: number): number {
  const [, runnable = "0"] = existsSync("/proc/loadavg") ? (/ (\d+)\/\d+ /.exec(readFileSync("/proc/loadavg", "latin1")) ?? []) : [];
  const programs = Math.max(loadavg()[0] ?? 0, Number(runnable));
  return Math.ceil(ms * Math.min(mostStretch, Math.max(1, programs / availableParallelism())));
}

/** Of a whole test, which waits for several things. */
export const testPatienceMs = 5 * patienceMs;
