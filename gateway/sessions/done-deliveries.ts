// What came of deliveries that other gateways have asked for: they may ask again, and each is done once. Pure.

import { rememberMs, settleMs } from "./relay-times.ts";

interface Done {
  readonly at: number;
  readonly isThere: boolean;
}

/** A gateway that asks. */
interface Asking {
  /** By number, the oldest first. */
  readonly done: Map<number, Done>;
  /** It asks for none below that any more. 0: it has never said so, as an older gateway. */
  settled: number;
  /** What was found to be settled, and when, the oldest first: what was said before may still be on its way. */
  readonly found: Array<{ readonly below: number; readonly at: number }>;
  /** What is below has been settled for long enough. */
  forgotten: number;
}

/** For each gateway that asks. */
const mostDone = 100_000;

export class DoneDeliveries {
  private readonly now: () => number;
  private readonly asking = new Map<string, Asking>();

  constructor(now: () => number) {
    this.now = now;
  }

  /** Whether one more of this gateway could not be remembered: it is not to be done, and is asked for again. */
  isFullFor(from: string): boolean {
    const asking = this.asking.get(from);
    return asking !== undefined && asking.settled > 0 && asking.done.size >= mostDone;
  }

  /** @returns what came of it; undefined: it was not done. */
  find(from: string, number: number): boolean | undefined {
    return this.asking.get(from)?.done.get(number)?.isThere;
  }

  add(from: string, number: number, isThere: boolean): void {
    const { done } = this.of(from);
    done.set(number, { at: this.now(), isThere });
    if (done.size <= mostDone) return;
    // Of one that says nothing of what is settled: nothing makes room before its oldest is too old, and it gives up sooner.
    const [oldest] = done.keys();
    if (oldest !== undefined) done.delete(oldest);
  }

  /** The gateway asks for none below this number any more. */
  settled(from: string, below: number): void {
    if (below === 0) return;
    const asking = this.of(from);
    asking.settled = Math.max(asking.settled, below);
  }

  /** To be called several times a second. @param excusedAt Until then, nobody could be heard. */
  sweep(excusedAt: number): void {
    for (const [from, asking] of this.asking) {
      this.sweepOf(asking, excusedAt);
      if (asking.done.size === 0) this.asking.delete(from);
    }
  }

  private sweepOf(asking: Asking, excusedAt: number): void {
    const now = this.now();
    const since = (at: number) => now - Math.max(at, excusedAt);
    const { done, settled, found } = asking;
    if (settled > (found.at(-1)?.below ?? asking.forgotten)) found.push({ below: settled, at: now });
    while (found[0] !== undefined && since(found[0].at) >= settleMs) asking.forgotten = found.shift()?.below ?? 0;
    // They are done nearly in the order of their numbers: behind one that is kept, few are to be forgotten, and those soon.
    for (const [number, { at }] of done) {
      const ms = since(at);
      if (ms < rememberMs && (number >= asking.forgotten || ms < settleMs)) return;
      done.delete(number);
    }
  }

  private of(from: string): Asking {
    const known = this.asking.get(from);
    if (known !== undefined) return known;
    const asking: Asking = { done: new Map(), settled: 0, found: [], forgotten: 0 };
    this.asking.set(from, asking);
    return asking;
  }
}
