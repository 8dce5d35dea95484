// Whether a death of a worker is told of its release: one that was just activated is taken back by whoever watches it, at the first death.
// Until that has happened, messages that had the bad luck to be there would be taken for what kills. Pure.

import type { Activation } from "../protocol/membership.ts";

/** Of those that were taken back, these may still have workers. */
const mostReleases = 16;

export class Trial {
  /** By release: until when it is blamed. The one that was activated last at the end. */
  private readonly blamed = new Map<string, number>();

  /** To be called with what is news. */
  activated({ release, trialMs }: Activation, now: number): void {
    this.blamed.delete(release);
    for (const [before, until] of this.blamed) {
      // It was taken back: of what is left of it, nothing speaks for a message.
      if (now < until) this.blamed.set(before, Number.POSITIVE_INFINITY);
      else this.blamed.delete(before);
    }
    if (trialMs !== undefined) this.blamed.set(release, now + trialMs);
    const [oldest] = this.blamed.keys();
    if (oldest !== undefined && this.blamed.size > mostReleases) this.blamed.delete(oldest);
  }

  /** A worker of this release has died, or is not heard any more. */
  isBlamed(release: string, now: number): boolean {
    return now < (this.blamed.get(release) ?? 0);
  }
}
