// What is due at some time of a clock, which may be put forward and back: the items of one tick together, found by the tick's number. To add
// and to remove one takes the same time however many there are, and a tick without items costs nothing. Pure.

/** How exact a wheel is that is not told otherwise: an item is due up to so much after its time. */
export const usualTickMs = 250;

/** The items of one tick. */
export interface Bucket<Item> {
  readonly tick: number;
  readonly items: Set<Item>;
}

export class TimingWheel<Item> {
  private readonly buckets = new Map<number, Bucket<Item>>();
  /** No item is in this tick or an earlier one. */
  private taken = Number.NEGATIVE_INFINITY;
  private readonly tickMs: number;

  constructor(tickMs = usualTickMs) {
    this.tickMs = tickMs;
  }

  /**
   * @param at Milliseconds. What is past by then is due when `take` is called next.
   * @returns where the item is, for `remove`.
   */
  add(item: Item, at: number): Bucket<Item> {
    const tick = Math.ceil(at / this.tickMs);
    const bucket = this.buckets.get(tick) ?? { tick, items: new Set<Item>() };
    bucket.items.add(item);
    this.buckets.set(tick, bucket);
    this.taken = Math.min(this.taken, tick - 1);
    return bucket;
  }

  /** Also one that was taken already, if its bucket is still being worked on. */
  remove(item: Item, bucket: Bucket<Item>): void {
    bucket.items.delete(item);
    // Else a tick far ahead would be kept for nobody.
    if (bucket.items.size === 0 && this.buckets.get(bucket.tick) === bucket) this.buckets.delete(bucket.tick);
  }

  /** @param now May be less than the last time. @returns what is due by then, the earliest first. */
  take(now: number): Array<Bucket<Item>> {
    const last = Math.floor(now / this.tickMs);
    const due: Array<Bucket<Item>> = [];
    for (const tick of this.ticksUntil(last)) {
      const bucket = this.buckets.get(tick);
      if (bucket === undefined) continue;
      this.buckets.delete(tick);
      due.push(bucket);
    }
    this.taken = last;
    return due;
  }

  // One by one, unless the clock has leapt by more ticks than there are buckets.
  private ticksUntil(last: number): Iterable<number> {
    if (last - this.taken > this.buckets.size) return [...this.buckets.keys()].filter((tick) => tick <= last).sort((a, b) => a - b);
    return Array.from({ length: Math.max(0, last - this.taken) }, (_, index) => this.taken + 1 + index);
  }
}
