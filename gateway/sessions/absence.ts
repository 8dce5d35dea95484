// How long the client of a session has been without a request that receives, and whether that is too long. Pure.

export interface AbsenceOptions {
  readonly idleMs: number;
  readonly now: () => number;
  /** When the oldest request arrived that no worker has answered: it may be of this client. Infinity: all are answered. */
  readonly unansweredSince: () => number;
}

export class Absence {
  private readonly options: AbsenceOptions;
  private since: number;
  private wasLate = false;
  /** When its time was found to be up, after all that had arrived by then was read; undefined: it is not. */
  private overdueAt: number | undefined;
  private wasExcused = false;

  constructor(options: AbsenceOptions) {
    this.options = options;
    this.since = options.now();
  }

  /** Its client has been there until now. */
  begin(): void {
    this.since = this.options.now();
  }

  /**
   * To be called several times a second. Not at once: a gateway that has stood still has yet to read what its client has sent; and where
   * workers were away, or are slow, its request may wait for one.
   * @returns whether it has been away for too long.
   */
  sweep(isAway: boolean): boolean {
    const { idleMs, now, unansweredSince } = this.options;
    const isLate = isAway && now() - this.since >= idleMs;
    if (!isLate) this.overdueAt = undefined;
    else if (this.wasLate) this.overdueAt ??= now();
    this.wasLate = isLate;
    const { wasExcused } = this;
    this.wasExcused = this.overdueAt !== undefined && unansweredSince() <= this.overdueAt;
    // Not in the sweep that finds the excuse to be over: a heartbeat that was not answered is a better reason, and closes before the next.
    return this.overdueAt !== undefined && !this.wasExcused && !wasExcused;
  }
}
