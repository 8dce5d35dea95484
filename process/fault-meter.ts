// Counts what went wrong, by code, and logs it without letting garbage fill the log: the first of its kind at once, then at
// most one line in ten seconds that tells how many there were.

import { isCodedError } from "../protocol/errors.ts";

const pauseMs = 10_000;

export class FaultMeter {
  /** By code; what has none is a bug. */
  readonly counts: Record<string, number> = {};
  private readonly loggedAt = new Map<string, number>();

  meet(error: unknown, log: (text: string, count: number) => void): void {
    const code = isCodedError(error) ? error.code : "bug";
    const count = (this.counts[code] ?? 0) + 1;
    this.counts[code] = count;
    const now = performance.now();
    if (now - (this.loggedAt.get(code) ?? Number.NEGATIVE_INFINITY) < pauseMs) return;
    this.loggedAt.set(code, now);
    log(isCodedError(error) ? "refused what came over NATS" : "bug outside of any connection", count);
  }
}
