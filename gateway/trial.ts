// Whether a death of a worker is told of its release: one that was just activated is taken back by whoever watches it, at the first death.
// Until that has happened, messages that had the bad luck to be there would be taken for what kills. Pure.

import type { Activation } from "../protocol/membership.ts";

export class Trial {
  private release: string | undefined;
  private until = 0;

  /** To be called with what is news. */
  activated({ release, trialMs }: Activation, now: number): void {
    if (trialMs !== undefined) {
      this.release = release;
      this.until = now + trialMs;
    } else if (release === this.release) this.release = undefined;
    // It was taken back: of what is left of it, nothing speaks for a message.
    else if (now < this.until) this.until = Number.POSITIVE_INFINITY;
  }

  /** A worker of this release has died, or is not heard any more. */
  isBlamed(release: string, now: number): boolean {
    return release === this.release && now < this.until;
  }
}
