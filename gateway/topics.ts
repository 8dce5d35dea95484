// Topics across gateways: who is interested here, and what goes to and comes from the others. Local fan-out is
// uWebSockets' own publish; NATS has a subscription for each topic that has a local subscriber.
//
// Delivered: each publisher's messages in order and once, to everyone who was subscribed when the publish committed.
// May be lost: what a NATS fault swallows. Batches are numbered by gateway and topic, so that a receiver sees the gap.

import type { Bus, BusMessage, BusSubscription } from "../protocol/bus.ts";
import { type Batch, BatchBuilder, decodeBatch } from "../protocol/envelope.ts";
import { flag, toGateway } from "../protocol/records.ts";
import { frameHeader, type Subjects } from "../protocol/subjects.ts";

export interface TopicsOptions {
  readonly self: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** Reaches every local subscriber. */
  readonly publishHere: (topic: string, data: Uint8Array, isBinary: boolean) => void;
  /** Something waits to be sent to the other gateways: see that `flush` is called at the end of this turn of the event loop. */
  readonly onBegun: () => void;
  readonly limits: { readonly batchBytes: number; readonly externalBytes: number };
}

interface Interest {
  readonly subscription: BusSubscription;
  /** Local subscribers, and turns about to commit one. */
  count: number;
  /** Undefined once NATS has confirmed the subscription. */
  confirmed: Promise<void> | undefined;
  /** The last batch of each other gateway. */
  readonly seen: Map<string, number>;
}

/** Topics whose numbers are kept, so that topics made up by clients cannot fill the memory. */
const rememberedTopics = 65_536;

interface Pending {
  readonly data: Uint8Array;
  readonly isBinary: boolean;
}

export class Topics {
  readonly counters = { published: 0, received: 0, external: 0, missed: 0, tooLarge: 0 };
  private readonly options: TopicsOptions;
  private readonly interests = new Map<string, Interest>();
  private readonly pending = new Map<string, Pending[]>();
  /** The number of the last batch that was sent, by topic: those that were published to last. */
  private readonly sent = new Map<string, number>();
  /** No topic that was forgotten had a higher one: numbers never go back, or receivers would take news for doubles. */
  private highestForgotten = 0;
  private readonly builder = new BatchBuilder();

  constructor(options: TopicsOptions) {
    this.options = options;
  }

  get size(): number {
    return this.interests.size;
  }

  /**
   * Counts one more subscriber. To be undone by `release`.
   * @returns undefined where everything published from now on arrives here; else what to wait for.
   */
  want(topic: string): Promise<void> | undefined {
    const known = this.interests.get(topic);
    if (known !== undefined) {
      known.count++;
      return known.confirmed;
    }
    const seen = new Map<string, number>();
    const subscription = this.options.bus.subscribe(this.options.subjects.topic(topic), (message) => this.receive(topic, seen, message));
    const interest: Interest = { subscription, count: 1, confirmed: undefined, seen };
    interest.confirmed = this.confirm().then(() => {
      interest.confirmed = undefined;
    });
    this.interests.set(topic, interest);
    return interest.confirmed;
  }

  release(topic: string): void {
    const interest = this.interests.get(topic);
    if (interest === undefined || --interest.count > 0) return;
    this.interests.delete(topic);
    interest.subscription.unsubscribe();
  }

  /**
   * Sends to the other gateways' subscribers; the local ones have been served.
   * @param data is kept until the next flush.
   */
  publishElsewhere(topic: string, data: Uint8Array, isBinary: boolean): void {
    this.counters.published++;
    if (this.pending.size === 0) this.options.onBegun();
    const list = this.pending.get(topic);
    if (list === undefined) this.pending.set(topic, [{ data, isBinary }]);
    else list.push({ data, isBinary });
  }

  flush(): void {
    if (this.pending.size === 0) return;
    const all = [...this.pending];
    this.pending.clear();
    for (const [topic, list] of all) {
      for (const { data, isBinary } of list) {
        if (this.builder.records > 0 && this.builder.bytes + data.length > this.options.limits.batchBytes) this.seal(topic);
        this.builder.append({ type: toGateway.publish, flags: isBinary ? flag.binary : 0, extra: 0, slot: 0, epoch: 0 }, data);
      }
      this.seal(topic);
    }
  }

  private seal(topic: string): void {
    const seq = this.nextNumber(topic);
    const { self, bus, subjects } = this.options;
    const bytes = this.builder.seal({ from: self, to: "", session: 0, peerSession: 0, seq, ack: 0, gap: false });
    bus.publish(subjects.topicFromGateways(topic), bytes);
  }

  private nextNumber(topic: string): number {
    const seq = (this.sent.get(topic) ?? this.highestForgotten) + 1;
    this.sent.delete(topic);
    this.sent.set(topic, seq);
    if (this.sent.size > rememberedTopics) {
      const [oldest] = this.sent as Iterable<[string, number]>;
      if (oldest !== undefined) {
        this.sent.delete(oldest[0]);
        this.highestForgotten = Math.max(this.highestForgotten, oldest[1]);
      }
    }
    return seq;
  }

  private receive(topic: string, seen: Map<string, number>, message: BusMessage): void {
    if (message.subject.endsWith(".publish")) {
      if (message.payload.length > this.options.limits.externalBytes) {
        this.counters.tooLarge++;
        return;
      }
      this.counters.external++;
      this.options.publishHere(topic, message.payload, message.header(frameHeader) !== "text");
      return;
    }
    const batch = decodeBatch(message.payload);
    if (!this.isNext(seen, batch)) return;
    for (let index = 0; index < batch.records; index++) {
      this.counters.received++;
      this.options.publishHere(topic, batch.payload(index), (batch.flags(index) & flag.binary) !== 0);
    }
  }

  private isNext(seen: Map<string, number>, batch: Batch): boolean {
    const { from, seq } = batch.header;
    const last = seen.get(from);
    if (last !== undefined && seq <= last) return false;
    if (last !== undefined && seq > last + 1) this.counters.missed += seq - last - 1;
    seen.set(from, seq);
    return true;
  }

  // A connection that breaks meanwhile has its subscriptions again once it is back: then the next flush confirms them.
  private async confirm(): Promise<void> {
    for (;;) {
      try {
        await this.options.bus.flush();
        return;
      } catch {
        await this.options.bus.whenConnected();
      }
    }
  }
}
