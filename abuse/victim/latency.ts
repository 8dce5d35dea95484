// Times of echoes. Pure.

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly echoes: number;
}

/** @param ms of each echo, in any order; an echo that is still owed counts with how long it has been. */
export function latencyOf(ms: readonly number[]): Latency {
  const sorted = Float64Array.from(ms).sort();
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1), echoes: sorted.length };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
