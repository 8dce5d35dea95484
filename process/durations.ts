// Counts durations in few fixed buckets, for Prometheus. To record one costs little more than an addition: most fall into
// the first buckets. (histogram.ts has many and fine ones, for a deploy's report.)

import type { Labels, Metric } from "./metric.ts";

/** Upper bounds in seconds: from what a handler needs at best to TURN_TIMEOUT_MS' default. */
export const durationBounds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

const boundsMs = durationBounds.map((seconds) => seconds * 1000);

export class Durations {
  private readonly counts = new Float64Array(durationBounds.length + 1);
  private sumMs = 0;

  /** @param weight for how many it counts, where only some are measured. */
  record(ms: number, weight = 1): void {
    let bucket = 0;
    while (bucket < boundsMs.length && ms > (boundsMs[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + weight;
    this.sumMs += ms * weight;
  }

  sample(labels: Labels): { labels: Record<string, string>; counts: number[]; sum: number } {
    return { labels: { ...labels }, counts: [...this.counts], sum: this.sumMs / 1000 };
  }
}

/** Durations by labels as one metric. */
export function durationMetric(name: string, help: string, durations: Iterable<readonly [Labels, Durations]>): Metric {
  const samples = Array.from(durations, ([labels, each]) => each.sample(labels));
  return { type: "histogram", name, help, bounds: [...durationBounds], samples };
}
