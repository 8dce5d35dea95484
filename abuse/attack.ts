// What strangers need for an abuse, in their own process: addresses, connections, and a count of how each connection ended.
//
// Endings are statuses ("404"), close codes ("1008"), "cut" (closed without a word), "open" (it was still there when the
// strangers gave up, and had been let in) and "unanswered" (the same, and it had not been answered).

import { setTimeout as pause } from "node:timers/promises";

export interface AttackOptions {
  /** ws://127.0.0.1:PORT */
  readonly url: string;
  readonly seconds: number;
  /** It goes on, for `endMs` at most, until one of these endings was counted; undefined: it ends in time, whatever was counted. */
  readonly until?: readonly string[] | undefined;
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
  private readonly until: readonly string[] | undefined;
  private readonly startedAt = performance.now();
  private overAfterMs: number | undefined;
  /** One for all: there may be thousands of waits a second. */
  private readonly timeUp: Promise<void>;
  private readonly counts = new Map<string, number>();
  private readonly present = new Set<Stranger>();

  constructor({ url, seconds, until }: AttackOptions) {
    this.url = url;
    this.seconds = seconds;
    this.until = until;
    this.timeUp = this.lastsUntilOver();
  }

  get isOver(): boolean {
    const lateMs = performance.now() - this.startedAt - this.seconds * 1000;
    return lateMs >= endMs || (lateMs >= 0 && (this.until?.some((ending) => this.counts.has(ending)) ?? true));
  }

  /** How long it lasted; what it was told, while it does, or where all connections ended earlier. */
  get lastedSeconds(): number {
    return this.overAfterMs === undefined ? this.seconds : this.overAfterMs / 1000;
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

  private async lastsUntilOver(): Promise<void> {
    await pause(this.seconds * 1000);
    while (!this.isOver) await pause(50);
    this.overAfterMs = performance.now() - this.startedAt;
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
