// What others cause is logged without letting them fill the log: the first of a kind at once, then at most one line in a while, which
// tells how many there were.

/** Lines of one kind are at least this far apart. */
const usualPauseMs = 60_000;

export interface PacedLogOptions {
  readonly now: () => number;
  readonly pauseMs?: number;
}

export class PacedLog {
  private readonly now: () => number;
  private readonly pauseMs: number;
  private readonly kinds = new Map<string, { loggedAt: number; unsaid: number }>();

  constructor({ now, pauseMs = usualPauseMs }: PacedLogOptions) {
    this.now = now;
    this.pauseMs = pauseMs;
  }

  /**
   * @param kind one of a few: each is remembered for good, so it must not be what a client has sent.
   * @param log called at once or not at all. `count`: how many of the kind there were since the last line, this one included.
   */
  meet(kind: string, log: (count: number) => void): void {
    const now = this.now();
    const known = this.kinds.get(kind);
    if (known !== undefined && now - known.loggedAt < this.pauseMs) {
      known.unsaid++;
      return;
    }
    this.kinds.set(kind, { loggedAt: now, unsaid: 0 });
    log((known?.unsaid ?? 0) + 1);
  }
}
