// Measures what moving connections between workers costs their clients, for the deploy's report.

import { Durations } from "../process/durations.ts";
import { Histogram } from "../protocol/histogram.ts";
import type { Handover } from "../protocol/membership.ts";

export class HandoverMeter {
  /** Of all generations, for metrics. */
  readonly allPauses = new Durations();
  /** Of the activation whose release has the work; 0: there was none yet. */
  generation = 0;
  private before = 0;
  private moves = 0;
  private parkedCount = 0;
  private redeliveredCount = 0;
  private closedCounts: Record<string, number> = {};
  private pauses = new Histogram();

  /** A release's workers take over: what is measured from here on belongs to its generation. */
  begin(generation: number, connections: number): void {
    this.generation = generation;
    this.before = connections;
    this.moves = this.parkedCount = this.redeliveredCount = 0;
    this.closedCounts = {};
    this.pauses = new Histogram();
  }

  /** The connection has its next worker. */
  moved(pauseMs: number): void {
    this.moves++;
    this.pauses.record(pauseMs);
    this.allPauses.record(pauseMs);
  }

  parked(): void {
    this.parkedCount++;
  }

  redelivered(): void {
    this.redeliveredCount++;
  }

  /** A connection was closed, and the release is why. @param code of the error. */
  closed(code: string): void {
    this.closedCounts[code] = (this.closedCounts[code] ?? 0) + 1;
  }

  /** Of all codes. */
  get closedTotal(): number {
    return Object.values(this.closedCounts).reduce((sum, count) => sum + count, 0);
  }

  /** @param now `remaining` and `adopted` as in a gateway's hello. */
  report(now: { readonly remaining: number; readonly adopted: boolean }): Handover | undefined {
    if (this.generation === 0) return undefined;
    return {
      generation: this.generation,
      before: this.before,
      remaining: now.remaining,
      moved: this.moves,
      parked: this.parkedCount,
      redelivered: this.redeliveredCount,
      closed: { ...this.closedCounts },
      adopted: now.adopted,
      pauses: [...this.pauses.counts],
      longestPauseMs: this.pauses.longestMs,
    };
  }
}
