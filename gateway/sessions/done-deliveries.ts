// What came of deliveries that other gateways have asked for: they may ask again, and each is done once. Pure.

import { rememberMs, settleMs } from "./relay-times.ts";

interface Done {
  readonly from: string;
  readonly number: number;
  readonly at: number;
  readonly isThere: boolean;
  /** When it was found to be asked for no more. */
  settledAt: number | undefined;
}

/** Of a gateway: how many are remembered, and below which number it asks for none any more. */
interface Asking {
  count: number;
  settled: number;
}

/** Beyond that, none is done that could not be remembered: it is asked for again. */
const mostDone = 100_000;

export class DoneDeliveries {
  private readonly now: () => number;
  /** By gateway and number, the oldest first. */
  private readonly done = new Map<string, Done>();
  private readonly asking = new Map<string, Asking>();

  constructor(now: () => number) {
    this.now = now;
  }

  get isFull(): boolean {
    return this.done.size >= mostDone;
  }

  /** @returns what came of it; undefined: it was not done. */
  find(from: string, number: number): boolean | undefined {
    return this.done.get(`${from}:${number}`)?.isThere;
  }

  add(from: string, number: number, isThere: boolean): void {
    this.done.set(`${from}:${number}`, { from, number, isThere, at: this.now(), settledAt: undefined });
    const asking = this.asking.get(from);
    if (asking === undefined) this.asking.set(from, { count: 1, settled: 0 });
    else asking.count++;
  }

  /** The gateway asks for none below this number any more. */
  settled(from: string, below: number): void {
    const asking = this.asking.get(from);
    if (asking !== undefined) asking.settled = Math.max(asking.settled, below);
  }

  /** @param excusedAt Until then, nobody could be heard. */
  sweep(excusedAt: number): void {
    const now = this.now();
    for (const [name, done] of this.done) {
      const asking = this.asking.get(done.from);
      if (asking === undefined || done.number < asking.settled) done.settledAt ??= now;
      const isLate = now - Math.max(done.at, excusedAt) >= rememberMs;
      // What was said before it was settled may still be on its way.
      const isSettled = done.settledAt !== undefined && now - Math.max(done.settledAt, excusedAt) >= settleMs;
      if (!isLate && !isSettled) continue;
      this.done.delete(name);
      if (asking !== undefined && --asking.count === 0) this.asking.delete(done.from);
    }
  }
}
