// Does silence mean anything? Where this process or NATS has stood still, what others have said waits to be read.

export interface StallDetectorOptions {
  readonly now: () => number;
  /** Resolves or rejects when NATS has answered: it does so in order, so behind its answer all that it has sent is read. */
  readonly askNats: () => Promise<void>;
  /** NATS answers again, after it had stood still. */
  readonly onStoodStill: () => void;
  /** How often `check` is called. */
  readonly everyMs: number;
}

/** Of calls of `check` that should have been, or in which NATS should have answered. */
const mayMiss = 4;

export class StallDetector {
  private readonly options: StallDetectorOptions;
  private checkedAt = 0;
  private answeredAt = 0;
  private isAsking = false;

  constructor(options: StallDetectorOptions) {
    this.options = options;
  }

  /** @returns whether everything that was said until now has been heard, but for the last moment. */
  check(): boolean {
    const { now, everyMs } = this.options;
    const at = now();
    const stoodStill = at - this.checkedAt > mayMiss * everyMs;
    this.checkedAt = at;
    this.ask();
    return !stoodStill && at - this.answeredAt <= mayMiss * everyMs;
  }

  private ask(): void {
    if (this.isAsking) return;
    this.isAsking = true;
    const { now, askNats, onStoodStill, everyMs } = this.options;
    const answered = () => {
      this.isAsking = false;
      const at = now();
      if (at - this.answeredAt > mayMiss * everyMs) onStoodStill();
      this.answeredAt = at;
    };
    askNats().then(answered, answered);
  }
}
