// The link to another gateway, as both ends of pipes use it: what has no room on it waits here, in order, and each end knows what of its
// own has not arrived. Pure.

import type { RecordHead } from "../../protocol/envelope.ts";
import type { Link } from "../../protocol/link.ts";

/** One end of a pipe. */
export interface PipeEnd {
  /** Of the WebSocket, at its gateway. */
  readonly number: number;
  /** So many records more, with so many bytes, are on their way; below 0: they have arrived, or never will. */
  onWay(records: number, bytes: number): void;
}

export interface PipeRecord extends Partial<Pick<RecordHead, "flags" | "extra" | "epoch">> {
  readonly type: number;
  /** Copied before `send` returns. */
  readonly payload?: Uint8Array;
}

interface Waiting {
  readonly end: PipeEnd;
  readonly head: RecordHead;
  readonly payload: Uint8Array;
}

interface Sent {
  readonly end: PipeEnd;
  readonly batch: number;
  readonly bytes: number;
}

const nothing = new Uint8Array(0);
/** Those that have arrived are dropped from the list so many at a time. */
const droppedAtOnce = 1_024;

export class PeerLink {
  /** Since when somebody waits for what the peer says. */
  awaitedSince: number | undefined;
  /** Since when NATS says that nobody hears it. */
  unheardSince: number | undefined;
  probedAt = Number.NEGATIVE_INFINITY;
  readonly link: Pick<Link, "append" | "hasCredit" | "lastBatch" | "ackedBatch" | "heardAt" | "probe" | "ackAtFlush">;
  /** For which there was no room. */
  private waiting: Waiting[] = [];
  /** Of which nothing that waits is to be sent. */
  private readonly dropped = new Set<PipeEnd>();
  private readonly sent: Sent[] = [];
  /** The first of `sent` that has not arrived. */
  private first = 0;
  private hasEnded = false;

  constructor(link: PeerLink["link"]) {
    this.link = link;
  }

  /** More was said than it carries: it waits here. */
  get isFull(): boolean {
    return this.waiting.length > 0;
  }

  /** Something has not arrived. */
  get isBusy(): boolean {
    this.settle();
    return this.waiting.length > 0 || this.first < this.sent.length;
  }

  send(end: PipeEnd, { type, flags = 0, extra = 0, epoch = 0, payload = nothing }: PipeRecord): void {
    if (this.hasEnded) return;
    end.onWay(1, payload.length);
    const head = { type, flags, extra, slot: end.number, epoch };
    if (this.waiting.length === 0 && this.link.hasCredit) this.append({ end, head, payload });
    else this.waiting.push({ end, head, payload: Uint8Array.from(payload) });
  }

  /** What waits of this end is not sent any more, at the latest from the next sweep on. Nothing more may be sent in its name. */
  drop(end: PipeEnd): void {
    if (this.waiting.length > 0) this.dropped.add(end);
  }

  /** To be called several times a second. */
  sweep(): void {
    this.settle();
    this.dropWaiting();
  }

  /** There may be room again. */
  credit(): void {
    this.dropWaiting();
    let sent = 0;
    for (const record of this.waiting) {
      if (!this.link.hasCredit) break;
      this.append(record);
      sent++;
    }
    this.waiting = this.waiting.slice(sent);
  }

  /** Tells the ends what has arrived. */
  settle(): void {
    const { sent, link } = this;
    for (let next = sent[this.first]; next !== undefined && next.batch <= link.ackedBatch; next = sent[this.first]) {
      next.end.onWay(-1, -next.bytes);
      this.first++;
    }
    if (this.first < droppedAtOnce && this.first < sent.length) return;
    sent.splice(0, this.first);
    this.first = 0;
  }

  /** The link is lost: what has not arrived never will. */
  end(): void {
    this.hasEnded = true;
    this.settle();
    for (const { end, bytes } of this.sent.splice(this.first)) end.onWay(-1, -bytes);
    for (const { end, payload } of this.waiting.splice(0)) end.onWay(-1, -payload.length);
    this.dropped.clear();
  }

  // For all that are dropped at once: very much may wait.
  private dropWaiting(): void {
    if (this.dropped.size === 0) return;
    this.waiting = this.waiting.filter(({ end, payload }) => {
      const isDropped = this.dropped.has(end);
      if (isDropped) end.onWay(-1, -payload.length);
      return !isDropped;
    });
    this.dropped.clear();
  }

  private append({ end, head, payload }: Waiting): void {
    this.link.append(head, payload);
    this.sent.push({ end, batch: this.link.lastBatch, bytes: payload.length });
  }
}
