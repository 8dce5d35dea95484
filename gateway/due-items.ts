// Works off the buckets of timing wheels that are due, one item after the other, in slices of the event loop. Pure.

import { runSlices, type Slices } from "../process/time-slice.ts";
import type { Bucket } from "./timing-wheel.ts";

export class DueItems<Item> {
  private readonly slices: Slices;
  private readonly look: (item: Item) => void;
  /** Not all of their items have been looked at. */
  private readonly buckets: Array<Bucket<Item>> = [];
  private isLooking = false;

  /** @param look Does what is due with an item. It does not throw. */
  constructor(slices: Slices, look: (item: Item) => void) {
    this.slices = slices;
    this.look = look;
  }

  /** These are due, too, behind those before. */
  add(buckets: ReadonlyArray<Bucket<Item>>): void {
    this.buckets.push(...buckets);
    if (this.isLooking || this.buckets.length === 0) return;
    this.isLooking = true;
    runSlices(this.looks(), this.slices);
  }

  private *looks(): Generator<void, void> {
    for (let bucket = this.buckets.shift(); bucket !== undefined; bucket = this.buckets.shift()) {
      for (const item of bucket.items) {
        bucket.items.delete(item);
        this.look(item);
        yield;
      }
    }
    this.isLooking = false;
  }
}
