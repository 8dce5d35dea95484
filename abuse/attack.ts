// What strangers need for an abuse, in their own process: addresses, connections, and a count of how each connection ended.
//
// Endings are statuses ("404"), close codes ("1008"), "cut" (closed without a word), "open" (it was still there when the
// strangers gave up, and had been let in) and "unanswered" (the same, and it had not been answered).

import { setTimeout as pause } from "node:timers/promises";

export interface AttackOptions {
  /** ws://127.0.0.1:PORT */
  readonly url: string;
  readonly seconds: number;
}

/** For what is under way when the time is up. */
const graceMs = 3_000;
/** For the end of strangers whom the gateway has to end: it is waited for, so that a busy machine only takes longer. */
export const endMs = 60_000;

/** A connection of a stranger. */
export interface Stranger {
  /** Undefined while it lasts. */
  readonly ending: string | undefined;
  /** What to count where it still lasts. */
  readonly present: "open" | "unanswered";
  readonly ended: Promise<string>;
  destroy(): void;
}

export class Attack {
  readonly url: string;
  readonly seconds: number;
  private readonly deadline: number;
  /** One for all: there may be thousands of waits a second. */
  private readonly timeUp: Promise<void>;
  private readonly counts = new Map<string, number>();
  private readonly present = new Set<Stranger>();

  constructor({ url, seconds }: AttackOptions) {
    this.url = url;
    this.seconds = seconds;
    this.deadline = performance.now() + seconds * 1000;
    this.timeUp = pause(seconds * 1000);
  }

  get isOver(): boolean {
    return performance.now() >= this.deadline;
  }

  /** Loopback has 2^24 addresses on Linux; the victim is at 127.0.0.1, so that bounds of an address are not its own. */
  address(index: number): string {
    return process.platform === "linux" ? `127.0.1.${1 + (index % 250)}` : "127.0.0.1";
  }

  /** Counts how it ends. */
  watch<S extends Stranger>(stranger: S): S {
    this.present.add(stranger);
    void stranger.ended.then((ending) => {
      if (this.present.delete(stranger)) this.count(ending);
    });
    return stranger;
  }

  count(ending: string): void {
    this.counts.set(ending, (this.counts.get(ending) ?? 0) + 1);
  }

  /** So many at a time, and what was begun may end; each again and again until the time is up, but never more often than every `leastMs`. */
  async again(atATime: number, leastMs: number, act: (index: number) => Promise<unknown>): Promise<void> {
    const one = async (index: number) => {
      while (!this.isOver) {
        const startedAt = performance.now();
        await Promise.race([act(index), this.over().then(() => pause(graceMs))]);
        await pause(Math.max(0, startedAt + leastMs - performance.now()));
      }
    };
    await Promise.all(Array.from({ length: atATime }, (_, index) => one(index)));
  }

  /** Resolves when the time is up, or every connection has ended. */
  async lasts(): Promise<void> {
    while (!this.isOver && this.present.size > 0) await pause(50);
  }

  /** Resolves when every connection has ended, as the gateway has to see to. */
  async allEnd(): Promise<void> {
    await Promise.race([Promise.all([...this.present].map(({ ended }) => ended)), pause(endMs)]);
  }

  over(): Promise<void> {
    return this.timeUp;
  }

  /** Gives up. @returns how often each ending. */
  end(): Record<string, number> {
    for (const stranger of this.present) {
      this.count(stranger.present);
      this.present.delete(stranger);
      stranger.destroy();
    }
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
