// Time in which this process ran. While it stands still (SIGSTOP, a debugger, a virtual machine that is suspended), what a hook waits for
// has no chance to come: that time counts towards no time-out of a turn.

/** A process that runs looks at the clock more often than that. What is longer is a standstill, of which so much counts. */
const stepMs = 250;

export class RunningClock {
  private readonly now: () => number;
  private readAt: number;
  private ranMs = 0;

  constructor(now: () => number) {
    this.now = now;
    this.readAt = now();
  }

  /** Milliseconds. To be called more often than every `stepMs`. */
  read(): number {
    const now = this.now();
    this.ranMs += Math.min(now - this.readAt, stepMs);
    this.readAt = now;
    return this.ranMs;
  }
}

/** As setTimeout, in time in which this process ran. @returns what stops it. */
export function afterRunning(ms: number, run: () => void): () => void {
  let leftMs = ms;
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    const step = Math.min(leftMs, stepMs);
    timer = setTimeout(() => {
      leftMs -= step;
      if (leftMs > 0) wait();
      else run();
    }, step);
  };
  wait();
  return () => clearTimeout(timer);
}
