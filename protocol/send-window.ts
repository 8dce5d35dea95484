// What one side of a link has sent and the other has not acknowledged: kept, so that it can be sent again, and bounded. Pure.

export interface SendWindowLimits {
  /** Without credit beyond this many bytes, or records, that the peer has not acknowledged. */
  readonly unackedBytes: number;
  readonly unackedRecords: number;
}

interface SealedBatch {
  readonly records: number;
  readonly bytes: Uint8Array;
}

export class SendWindow {
  /** The number of the last batch that was sealed. */
  last = 0;
  /** Those that are not acknowledged, in order. */
  unacked: SealedBatch[] = [];
  private readonly limits: SendWindowLimits;
  private bytes = 0;
  private records = 0;
  private wasFull = false;

  constructor(limits: SendWindowLimits) {
    this.limits = limits;
  }

  /** The number of the last batch that was acknowledged. */
  get acked(): number {
    return this.last - this.unacked.length;
  }

  /** @param begun The batch that is being built. */
  hasRoom(begun: { readonly bytes: number; readonly records: number }): boolean {
    const has = this.bytes + begun.bytes < this.limits.unackedBytes && this.records + begun.records < this.limits.unackedRecords;
    if (!has) this.wasFull = true;
    return has;
  }

  /** The next batch, sealed with the number after `last`. */
  add(records: number, bytes: Uint8Array): void {
    this.last++;
    this.unacked.push({ records, bytes });
    this.bytes += bytes.length;
    this.records += records;
  }

  /** @returns whether that is news. */
  acknowledge(upTo: number): boolean {
    if (upTo <= this.acked) return false;
    for (const { bytes, records } of this.unacked.splice(0, upTo - this.acked)) {
      this.bytes -= bytes.length;
      this.records -= records;
    }
    return true;
  }

  /** @returns true once after there was no room, when half of it is free. */
  regainedRoom(): boolean {
    const { unackedBytes, unackedRecords } = this.limits;
    if (!this.wasFull || this.bytes >= unackedBytes / 2 || this.records >= unackedRecords / 2) return false;
    this.wasFull = false;
    return true;
  }

  /** Nothing of it will be acknowledged any more. */
  clear(): void {
    this.unacked = [];
    this.bytes = this.records = 0;
  }
}
