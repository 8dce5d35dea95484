// Upgrades that come together, taken in slices: hundreds may come in one step of the event loop, where strangers knock or a gateway was
// replaced, and messages of clients that are there would wait behind all of them. Pure.

import { type Slices, sliceMs } from "../process/time-slice.ts";

export class PacedUpgrades {
  private readonly options: Slices;
  /** The oldest first. */
  private readonly waiting = new Set<() => void>();
  private isScheduled = false;
  /** Until when upgrades are taken in this step of the event loop. */
  private until = 0;

  constructor(options: Slices) {
    this.options = options;
  }

  get size(): number {
    return this.waiting.size;
  }

  /** @param admit Called at once, or behind all that wait. Whoever has gone by then is its own affair. It must not throw. */
  take(admit: () => void): void {
    if (!this.isScheduled) this.beginSlice();
    if (this.waiting.size > 0 || this.options.now() >= this.until) this.waiting.add(admit);
    else admit();
  }

  private beginSlice(): void {
    const { now, later, sliceMs: ms = sliceMs } = this.options;
    this.until = now() + ms;
    this.isScheduled = true;
    later(() => this.takeWaiting());
  }

  private takeWaiting(): void {
    this.isScheduled = false;
    if (this.waiting.size === 0) return;
    this.beginSlice();
    for (const admit of this.waiting) {
      this.waiting.delete(admit);
      admit();
      if (this.options.now() >= this.until) return;
    }
  }
}
