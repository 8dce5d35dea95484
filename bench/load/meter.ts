// What all connections of a load count together.

import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { digitLimit } from "./digits.ts";
import type { Latency } from "./job.ts";

export class Meter {
  messages = 0;
  malformed = 0;
  disconnected = 0;
  /** Microseconds. Not protocol/histogram.ts, which may read a fifth too high: ratios of quantiles are taken here. */
  private readonly latencies: RecordableHistogram = createHistogram({ lowest: 1, highest: digitLimit, figures: 3 });

  /** What was timed so far does not count. */
  forgetLatencies(): void {
    this.latencies.reset();
  }

  /** @param stamp When the message was sent, as `stampNow` had it. */
  time(stamp: number): void {
    this.latencies.record(Math.max(1, (stampNow() - stamp) & digitLimit));
  }

  get latency(): Latency {
    if (this.latencies.count === 0) return { p50Ms: 0, p99Ms: 0, p999Ms: 0, longestMs: 0 };
    const ms = (percent: number) => this.latencies.percentile(percent) / 1000;
    return { p50Ms: ms(50), p99Ms: ms(99), p999Ms: ms(99.9), longestMs: this.latencies.max / 1000 };
  }
}

/** Microseconds, modulo a quarter of an hour or so. */
export function stampNow(): number {
  return Math.round(performance.now() * 1000) & digitLimit;
}
