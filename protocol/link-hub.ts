// The links of one process: finds the one that a frame belongs to, flushes those that were written to once per turn of the
// event loop, and drives their time-outs.

import { KnownHeaders } from "./batch-header.ts";
import type { Bus } from "./bus.ts";
import { type Batch, decodeBatch } from "./envelope.ts";
import { CodedError } from "./errors.ts";
import { Link, type LinkCounters, type LinkLimits, linkLimits } from "./link.ts";
import type { Subjects } from "./subjects.ts";

/** How often time-outs are looked at. */
const tickMs = 25;

export interface LinkHubOptions {
  readonly self: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** Where peers write to this process; undefined: to its link. */
  readonly inboxes?: readonly string[];
  /** Where this process writes to a peer; undefined: to its link. */
  readonly subjectOf?: (peer: string) => string;
  readonly now: () => number;
  /** A batch is next in order: its records must be handled now. */
  readonly onBatch: (peer: string, batch: Batch) => void;
  /** Whether this peer never writes there: what comes in its name is somebody else's. Undefined: any may write to each inbox. */
  readonly isForeign?: (peer: string, inbox: string) => boolean;
  /** A frame from a process that there is no link to. Opening one in this call lets the frame in. */
  readonly onStranger: (peer: string) => void;
  readonly onCredit: (peer: string) => void;
  /** The peer has begun another life, or has forgotten this one. The link is gone from the hub. */
  readonly onLost: (peer: string) => void;
  /**
   * Nobody subscribes to the peer's link: it is dead, or its connection to NATS is. Not told of shortly after a reconnect, when
   * it would be said of the living too. Undefined: nobody wants to know, and NATS is not asked.
   */
  readonly onUnheard?: (peer: string) => void;
}

/** After a reconnect, how long others may take to be back as well. */
const graceMs = 2_000;
/** One word of NATS is not enough: in a cluster a subscription may take a moment to be known everywhere. */
const confirmMs = 20;
const forgetMs = 500;

export class LinkHub {
  private readonly options: LinkHubOptions;
  private readonly limits: LinkLimits;
  private readonly links = new Map<string, Link>();
  private readonly known = new KnownHeaders();
  /** With batches that have been begun. */
  private begun: Link[] = [];
  /** Of links that are closed. */
  private readonly past: LinkCounters = { retransmitted: 0, doubles: 0, gaps: 0, refused: 0 };
  private readonly timer: NodeJS.Timeout;
  private readonly flushers: Array<() => void> = [];
  private willFlush = false;
  private flushing: NodeJS.Immediate | undefined;
  private session = Date.now();
  private reconnectedAt = Number.NEGATIVE_INFINITY;
  /** When NATS first said that nobody hears this peer. */
  private readonly unheardSince = new Map<string, number>();

  constructor(options: LinkHubOptions) {
    this.options = options;
    this.limits = { ...linkLimits, batchBytes: Math.min(linkLimits.batchBytes, options.bus.maxPayloadBytes - 4096) };
    const { inboxes = [options.subjects.link(options.self)] } = options;
    for (const inbox of inboxes) options.bus.subscribe(inbox, ({ payload }) => this.receive(payload, inbox));
    if (options.onUnheard !== undefined) {
      options.bus.subscribe(options.subjects.unheard(options.self, "*"), ({ subject, isUnheard }) => {
        if (!isUnheard) throw new CodedError("envelope.malformed", `only NATS itself speaks on ${subject}`);
        this.suspect(subject.slice(subject.lastIndexOf(".") + 1));
      });
    }
    this.timer = setInterval(() => this.tick(), tickMs);
  }

  /** Of all links that there ever were. */
  get counters(): LinkCounters {
    const sum = { ...this.past };
    for (const { counters } of this.links.values()) add(sum, counters);
    return sum;
  }

  get(peer: string): Link | undefined {
    return this.links.get(peer);
  }

  all(): Iterable<Link> {
    return this.links.values();
  }

  open(peer: string): Link {
    const { bus, subjects, self, onUnheard } = this.options;
    const inbox = subjects.link(peer);
    const subjectOf = this.options.subjectOf ?? (() => inbox);
    const unheardTo = onUnheard === undefined ? undefined : subjects.unheard(self, peer);
    this.session = Math.max(this.session + 1, Date.now());
    const link = new Link({
      self,
      peer,
      session: this.session,
      now: this.options.now,
      limits: this.limits,
      transmit: (bytes) => bus.publish(subjectOf(peer), bytes, unheardTo),
      onBegun: () => {
        this.begun.push(link);
        this.flushSoon();
      },
      onCredit: () => this.options.onCredit(peer),
      onLost: () => {
        this.close(peer);
        this.options.onLost(peer);
      },
    });
    this.links.set(peer, link);
    return link;
  }

  close(peer: string): void {
    const link = this.links.get(peer);
    if (link === undefined) return;
    link.close();
    add(this.past, link.counters);
    this.links.delete(peer);
    this.unheardSince.delete(peer);
  }

  /**
   * Flushes at the end of this turn of the event loop: what arrives together travels together. What NATS has brought is answered
   * sooner, behind the read that brought it: for a worker that is the same, and saves a twentieth of an echo's time.
   */
  flushSoon(): void {
    if (this.willFlush) return;
    this.willFlush = true;
    if (!this.options.bus.atEndOfRead(this.flush)) this.flushing = setImmediate(this.flush);
  }

  /** Runs with each flush. */
  onFlush(flush: () => void): void {
    this.flushers.push(flush);
  }

  readonly flush = (): void => {
    this.willFlush = false;
    // Whoever gets such an acknowledgement knows by it that the rest was sent: a process that is killed has sent both, or neither.
    if (this.begun.some(({ acksAtFlush }) => acksAtFlush)) this.options.bus.together(this.flushAll);
    else this.flushAll();
  };

  private readonly flushAll = (): void => {
    for (const flush of this.flushers) flush();
    const { begun } = this;
    this.begun = [];
    for (const link of begun) link.flush();
  };

  /** The server has stood still: others may have given it up, and come back in a moment. */
  stoodStill(): void {
    this.reconnectedAt = this.options.now();
    this.unheardSince.clear();
  }

  /** The bus is back after a fault. */
  reconnected(): void {
    this.stoodStill();
    for (const link of this.links.values()) link.reconnected();
  }

  stop(): void {
    clearInterval(this.timer);
    if (this.flushing !== undefined) clearImmediate(this.flushing);
    for (const peer of [...this.links.keys()]) this.close(peer);
  }

  private receive(payload: Uint8Array, inbox: string): void {
    const batch = decodeFrame(payload, this.options.self, this.known);
    const { from } = batch.header;
    if (this.options.isForeign?.(from, inbox)) throw new CodedError("envelope.malformed", `${from} does not write to ${inbox}`);
    this.unheardSince.delete(from);
    // Twice where the frame ends the link's life: it may be the first of the next.
    for (let attempt = 0; attempt < 2; attempt++) {
      if (!this.links.has(from)) this.options.onStranger(from);
      const link = this.links.get(from);
      if (link?.receive(batch)) this.options.onBatch(from, batch);
      if (link === undefined || !link.lost) return;
    }
  }

  private suspect(peer: string): void {
    const link = this.links.get(peer);
    const now = this.options.now();
    if (link === undefined || now - this.reconnectedAt < graceMs) return;
    const since = this.unheardSince.get(peer);
    if (since === undefined || now - since > forgetMs) this.unheardSince.set(peer, now);
    else if (now - since >= confirmMs) this.options.onUnheard?.(peer);
  }

  private tick(): void {
    for (const link of this.links.values()) link.tick();
    for (const [peer, since] of this.unheardSince) if (this.options.now() - since < forgetMs) this.links.get(peer)?.probe();
  }
}

function add(sum: LinkCounters, more: LinkCounters): void {
  sum.retransmitted += more.retransmitted;
  sum.doubles += more.doubles;
  sum.gaps += more.gaps;
  sum.refused += more.refused;
}

/**
 * Decodes what arrived on a link's subject.
 * @throws {CodedError} "envelope.malformed" or "envelope.version"
 */
export function decodeFrame(bytes: Uint8Array, self: string, known?: KnownHeaders): Batch {
  const batch = decodeBatch(bytes, known);
  if (batch.header.to !== self) throw new CodedError("envelope.malformed", `a batch for ${batch.header.to} came to ${self}`);
  return batch;
}
