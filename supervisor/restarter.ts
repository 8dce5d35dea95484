// Keeps one child running: starts it again when it ends, after a pause that grows while it keeps dying.

import type { Child, Exit } from "./child.ts";
import { exitText } from "./child.ts";

const firstPauseMs = 100;
const longestPauseMs = 10_000;
/** For what has shown that it can work: it was killed, or one message in many ends it, and everybody waits for the next. */
export const longestProvenPauseMs = 1_000;
/** A child that lived that long is thought well, and the pauses start anew. */
const wellAfterMs = 10_000;

/**
 * @param previousMs The pause before the life that has just ended; 0: there was none.
 * @param livedMs How long that life was.
 * @param longestMs What the pauses grow to.
 */
export function nextPauseMs(previousMs: number, livedMs: number, longestMs = longestPauseMs): number {
  if (previousMs === 0 || livedMs >= wellAfterMs) return firstPauseMs;
  return Math.min(longestMs, previousMs * 2);
}

export interface RestarterOptions {
  readonly start: () => Child;
  /** Whether it is started again when it ends; by default always. */
  readonly isKept?: () => boolean;
  /** Whether what has ended had shown that it can work; by default it had not. */
  readonly isProven?: (child: Child) => boolean;
  /** Called for each end that was not asked for, before the child is started again. */
  readonly onEnd: (child: Child, text: string, exit: Exit) => void;
}

export class Restarter {
  /** undefined during a pause, and after a stop. */
  child: Child | undefined;
  private readonly options: RestarterOptions;
  private pauseMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(options: RestarterOptions) {
    this.options = options;
    this.start();
  }

  /** Ends the child for good: asks, waits, then kills. */
  async stop(timeoutMs: number): Promise<void> {
    this.giveUp();
    await this.child?.stop(timeoutMs);
    this.child = undefined;
  }

  async kill(): Promise<void> {
    this.giveUp();
    await this.child?.kill();
    this.child = undefined;
  }

  private giveUp(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private start(): void {
    const child = this.options.start();
    this.child = child;
    void child.exited.then((exit) => {
      if (this.isStopped) return;
      this.child = undefined;
      if (this.options.isKept?.() === false) return this.options.onEnd(child, exitText(exit), exit);
      const longest = this.options.isProven?.(child) ? longestProvenPauseMs : longestPauseMs;
      this.pauseMs = nextPauseMs(this.pauseMs, Date.now() - child.startedAt, longest);
      this.timer = setTimeout(() => this.start(), this.pauseMs);
      // Last: the listener may stop this restarter.
      this.options.onEnd(child, `${exitText(exit)}; starting again in ${this.pauseMs} ms`, exit);
    });
  }
}
