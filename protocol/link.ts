// One side of an ordered, acknowledged stream between two processes, over a bus that may lose, double or delay. A pure
// state machine: it is handed the clock and the way to send, and is told what arrives.
//
// Batches count from 1. The receiver takes them in order only, drops doubles, and on a gap asks for what follows the last
// good one; the sender keeps every batch until it is acknowledged and sends again from there (go-back-N: NATS keeps order,
// so a gap means loss, and what follows the gap is lost or will be doubled). Each side's link has a session number that
// grows from life to life: frames for or from an earlier one are refused, and a later one ends this link.

import type { BatchHeader } from "./batch-header.ts";
import { type Batch, BatchBuilder, encodeEmptyBatch, type RecordHead } from "./envelope.ts";
import { SendWindow, type SendWindowLimits } from "./send-window.ts";

export interface LinkLimits extends SendWindowLimits {
  /** What would make a batch larger, or comes when it has so many records, goes into the next one. Below NATS' max_payload. */
  readonly batchBytes: number;
  readonly batchRecords: number;
  /** How long an acknowledgement is awaited before all is sent again; doubles up to eight times as long. */
  readonly retransmitMs: number;
  /** How long an acknowledgement may wait for a batch to travel on. */
  readonly ackDelayMs: number;
  /** After so long without an acknowledgement an empty frame is sent: NATS says at once when nobody hears it. */
  readonly probeMs: number;
}

export const linkLimits: LinkLimits = {
  // Several of the largest usual messages, so that NATS has fewer to handle: 23,000 echoes/s of 16 KiB against 19,000 with
  // 32 KiB. With 64 bytes the rate is the same from 32 to 384 KiB.
  batchBytes: 128 * 1024,
  // The peer begins with the first of many small messages while this side has yet to handle the others: two cores work.
  batchRecords: 400,
  unackedBytes: 8 * 1024 * 1024,
  unackedRecords: 65_536,
  retransmitMs: 300,
  ackDelayMs: 30,
  probeMs: 70,
};

/** Acknowledge without delay after this many batches: the sender's memory is in them. */
const ackEvery = 32;

export interface LinkOptions {
  readonly self: string;
  readonly peer: string;
  /** This life of the link: above 0, and above that of any earlier link between the two. */
  readonly session: number;
  readonly now: () => number;
  readonly transmit: (bytes: Uint8Array) => void;
  /** A batch has been begun: see that `flush` is called at the end of this turn of the event loop. */
  readonly onBegun: () => void;
  /** Credit is back after there was none. */
  readonly onCredit: () => void;
  /** The peer has begun another life: everything unacknowledged is gone, and this link is of no more use. */
  readonly onLost: () => void;
  readonly limits?: LinkLimits;
}

export interface LinkCounters {
  retransmitted: number;
  doubles: number;
  gaps: number;
  refused: number;
}

export class Link {
  readonly peer: string;
  readonly counters: LinkCounters = { retransmitted: 0, doubles: 0, gaps: 0, refused: 0 };
  private readonly options: LinkOptions;
  private readonly limits: LinkLimits;
  private readonly builder = new BatchBuilder();
  private readonly window: SendWindow;
  private peerSession = 0;
  private lastHeardAt: number;
  /** The last batch that was taken, and what the peer has been told of it. */
  private received = 0;
  private receivedAcked = 0;
  private ackDueAt = Number.POSITIVE_INFINITY;
  private willAck = false;
  private gapSince = 0;
  private retransmitAt = Number.POSITIVE_INFINITY;
  private retransmitMs: number;
  private probeAt = Number.POSITIVE_INFINITY;
  private isLost = false;

  constructor(options: LinkOptions) {
    this.options = options;
    this.peer = options.peer;
    this.limits = options.limits ?? linkLimits;
    this.window = new SendWindow(this.limits);
    this.retransmitMs = this.limits.retransmitMs;
    this.lastHeardAt = options.now();
  }

  get lost(): boolean {
    return this.isLost;
  }

  /** When the peer last spoke in the life that this link knows, and not to an earlier life of ours; until then, when the link was opened. */
  get heardAt(): number {
    return this.lastHeardAt;
  }

  /** Whether the next flush acknowledges: see `ackAtFlush`. */
  get acksAtFlush(): boolean {
    return this.willAck;
  }

  /** Whether more may be appended. Past it nothing is refused, but a caller that asks first keeps memory bounded. */
  get hasCredit(): boolean {
    return this.window.hasRoom(this.builder);
  }

  get unackedBatches(): number {
    return this.window.unacked.length;
  }

  /** The number of the batch that has what was appended last, and that of the last one which the peer has acknowledged. */
  get lastBatch(): number {
    return this.builder.records === 0 ? this.window.last : this.window.last + 1;
  }

  get ackedBatch(): number {
    return this.window.acked;
  }

  /** The batch being built. Call `reserve` before the first record of a group that must travel together. */
  get batch(): BatchBuilder {
    return this.builder;
  }

  /** Makes room for a group of records that must be in one batch: seals what was begun where they would not fit. */
  reserve(bytes: number): void {
    const { batchBytes, batchRecords } = this.limits;
    if (this.builder.records === 0) this.options.onBegun();
    else if (!this.isLost && (this.builder.records >= batchRecords || this.builder.bytes + bytes > batchBytes)) {
      // What has been received may not be handled yet, nor have what it leads to been sent: that is acknowledged by a flush.
      this.seal(this.receivedAcked);
      this.options.onBegun();
    }
  }

  /** @returns where the payload lies in the batch's `memory`. */
  append(head: RecordHead, payload: Uint8Array): number {
    this.reserve(payload.length + 64);
    return this.builder.append(head, payload);
  }

  appendEmpty(head: RecordHead): void {
    this.reserve(64);
    this.builder.appendEmpty(head);
  }

  /** Seals and sends what has been begun. */
  flush(): void {
    if (this.isLost) return;
    if (this.builder.records > 0) this.seal(this.acked());
    else if (this.willAck) this.sendAck(false);
  }

  private seal(ack: number): void {
    const { records } = this.builder;
    const bytes = this.builder.seal(this.header(this.window.last + 1, ack, false));
    this.window.add(records, bytes);
    if (this.window.unacked.length === 1) this.setTimers();
    this.options.transmit(bytes);
  }

  /**
   * Takes one frame that has been decoded. Acknowledgements take effect at once.
   * @returns whether its records are next in order and must be handled now; otherwise they must not.
   */
  receive(batch: Batch): boolean {
    const { header } = batch;
    if (this.isLost || header.from !== this.peer || header.to !== this.options.self) return this.refuse();
    // No life has the number 0.
    if (header.session < Math.max(1, this.peerSession)) return this.refuse();
    // First of all, whoever it speaks to: two new lives that each know the other's earlier one would refuse each other for ever.
    if (header.session > this.peerSession && this.peerSession !== 0) {
      this.isLost = true;
      this.options.onLost();
      return this.refuse();
    }
    if (header.peerSession !== 0 && header.peerSession !== this.options.session) {
      // It speaks to an earlier life of ours. Our session in an empty frame tells it so.
      this.sendAck(false);
      return this.refuse();
    }
    this.peerSession = header.session;
    this.lastHeardAt = this.options.now();
    this.acknowledge(header.ack);
    if (header.gap) this.resume();
    if (header.seq === 0) return false;
    if (header.seq === this.received + 1) {
      this.received = header.seq;
      if (this.received - this.receivedAcked >= ackEvery) this.ackAtFlush();
      else if (this.ackDueAt === Number.POSITIVE_INFINITY) this.ackDueAt = this.options.now() + this.limits.ackDelayMs;
      return true;
    }
    if (header.seq <= this.received) {
      this.counters.doubles++;
      this.ackDueAt = 0;
    } else {
      this.counters.gaps++;
      // Once for each gap, then again after a while: everything that follows a gap looks like one.
      if (this.options.now() - this.gapSince >= this.limits.ackDelayMs) {
        this.gapSince = this.options.now();
        this.sendAck(true);
      }
    }
    return false;
  }

  /** Acknowledges what has been received with the next flush, without delay, and behind whatever else is sent until then. */
  ackAtFlush(): void {
    if (this.willAck || this.isLost) return;
    this.willAck = true;
    if (this.builder.records === 0) this.options.onBegun();
  }

  /** Sends everything again that is not acknowledged: after a gap, a reconnect or a time-out. */
  resume(): void {
    if (this.isLost) return;
    for (const { bytes } of this.window.unacked) this.options.transmit(bytes);
    this.counters.retransmitted += this.window.unacked.length;
    this.setTimers();
  }

  /** After a reconnect: what we have, and what the peer may lack. */
  reconnected(): void {
    if (this.isLost) return;
    this.retransmitMs = this.limits.retransmitMs;
    this.sendAck(false);
    this.resume();
  }

  /** To be called every few tens of milliseconds. */
  tick(): void {
    if (this.isLost) return;
    const now = this.options.now();
    if (now >= this.ackDueAt) this.sendAck(false);
    else if (now >= this.probeAt) this.probe();
    if (now >= this.retransmitAt) {
      this.retransmitMs = Math.min(this.retransmitMs * 2, this.limits.retransmitMs * 8);
      this.resume();
    }
  }

  /** Says something that needs no answer, to find out whether anybody hears it. */
  probe(): void {
    if (this.isLost) return;
    if (this.window.unacked.length > 0) this.probeAt = this.options.now() + this.limits.probeMs;
    this.sendAck(false);
  }

  /** No more of this link: what is unacknowledged is dropped. */
  close(): void {
    this.isLost = true;
    this.window.clear();
  }

  private acknowledge(ack: number): void {
    if (ack > this.window.last) {
      this.counters.refused++;
      return;
    }
    if (!this.window.acknowledge(ack)) return;
    this.retransmitMs = this.limits.retransmitMs;
    this.setTimers();
    if (this.window.regainedRoom()) this.options.onCredit();
  }

  // What is to happen when no acknowledgement comes.
  private setTimers(): void {
    const now = this.options.now();
    const isWaiting = this.window.unacked.length > 0;
    this.retransmitAt = isWaiting ? now + this.retransmitMs : Number.POSITIVE_INFINITY;
    this.probeAt = isWaiting ? now + this.limits.probeMs : Number.POSITIVE_INFINITY;
  }

  private sendAck(gap: boolean): void {
    this.options.transmit(encodeEmptyBatch(this.header(0, this.acked(), gap)));
  }

  /** @returns what the peer is told now. */
  private acked(): number {
    this.willAck = false;
    this.ackDueAt = Number.POSITIVE_INFINITY;
    this.receivedAcked = this.received;
    return this.received;
  }

  private header(seq: number, ack: number, gap: boolean): BatchHeader {
    const { self, peer, session } = this.options;
    return { from: self, to: peer, session, peerSession: this.peerSession, seq, ack, gap };
  }

  private refuse(): false {
    this.counters.refused++;
    return false;
  }
}
