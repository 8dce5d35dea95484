// What one topic receives from one other gateway: batches in order, each once. On a gap it holds back what follows and asks
// for a repair; what that gateway does not have any more is counted as missed, and the rest goes on. Pure.
//
// A batch names the one before it (`ack` in its header; 0: the sender knows of none), since numbers may skip.

import type { Batch } from "../protocol/envelope.ts";

/** How long the first repair may take; each further one twice as long as the one before. */
const repairMs = 250;
/** 7.75 s in all: a gateway that says nothing for so long has died with its ring. */
const attempts = 5;
/** What may wait for a repair. */
const heldBatches = 1_000;

export class TopicInbox {
  /** Batches that never came. */
  missed = 0;
  private last: number | undefined;
  private hasDelivered = false;
  private readonly held = new Map<number, Batch>();
  private askedAt = 0;
  private asked = 0;

  /** The last batch that was delivered or passed over; undefined before the first. */
  get seen(): number | undefined {
    return this.last;
  }

  /** Something has come that is held back. */
  get isWaiting(): boolean {
    return this.held.size > 0;
  }

  /**
   * @param mayLack there may have been batches before the first one, which a fault has swallowed.
   * @returns what is to be delivered now, in order.
   */
  take(batch: Batch, mayLack: boolean): Batch[] {
    const { seq, ack: before } = batch.header;
    if (this.last === undefined && (before === 0 || !mayLack)) this.last = before;
    if (this.last !== undefined && seq <= this.last) return [];
    this.held.set(seq, batch);
    return this.held.size > heldBatches ? this.giveUp() : this.ready();
  }

  /**
   * A batch from before anybody here wanted any. Until something was delivered, what comes behind it is the first.
   * @returns what had waited for that.
   */
  passOver(seq: number): Batch[] {
    if (this.hasDelivered || seq <= (this.last ?? 0)) return [];
    this.last = seq;
    return this.ready();
  }

  /** @returns whether a repair is to be asked for now. */
  wantsRepair(now: number): boolean {
    if (this.held.size === 0 || this.asked === attempts) return false;
    if (this.asked > 0 && now - this.askedAt < this.patienceMs) return false;
    this.asked++;
    this.askedAt = now;
    return true;
  }

  /**
   * The publisher has sent all that it still has, up to this number.
   * @returns what is to be delivered although something before it is missing, since nobody has it any more.
   */
  repaired(upTo: number): Batch[] {
    const batches: Batch[] = [];
    while (this.held.size > 0 && this.nextHeld().header.ack <= upTo) batches.push(...this.giveUp());
    // Nothing was published that is wanted here: what comes next is the first, wherever it is seen first.
    if (this.held.size === 0) this.last ??= upTo;
    return batches;
  }

  /** @returns the same, since the publisher does not answer. */
  overdue(now: number): Batch[] {
    return this.held.size > 0 && this.asked === attempts && now - this.askedAt >= this.patienceMs ? this.giveUp() : [];
  }

  private get patienceMs(): number {
    return repairMs * 2 ** (this.asked - 1);
  }

  private nextHeld(): Batch {
    return this.held.get(Math.min(...this.held.keys())) as Batch;
  }

  private ready(): Batch[] {
    const batches: Batch[] = [];
    while (this.held.size > 0 && this.last !== undefined) {
      const batch = this.nextHeld();
      const { seq, ack: before } = batch.header;
      if (before > this.last) break;
      this.held.delete(seq);
      this.last = seq;
      batches.push(batch);
    }
    if (this.held.size === 0) this.asked = 0;
    this.hasDelivered ||= batches.length > 0;
    return batches;
  }

  private giveUp(): Batch[] {
    const before = this.nextHeld().header.ack;
    if (this.last !== undefined) this.missed += Math.max(1, before - this.last);
    this.last = before;
    this.asked = 0;
    return this.ready();
  }
}
