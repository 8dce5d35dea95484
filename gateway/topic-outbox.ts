// What this gateway publishes to topics, on its way to the other gateways: numbered by topic, and kept for a while, so that what a
// NATS fault swallowed can be sent again.

import type { Bus } from "../protocol/bus.ts";
import { BatchBuilder, encodeEmptyBatch } from "../protocol/envelope.ts";
import { encodePublishExcept } from "../protocol/payloads.ts";
import { flag, toGateway } from "../protocol/records.ts";
import { parseRepair } from "../protocol/repair.ts";
import type { Subjects } from "../protocol/subjects.ts";
import { TopicRing } from "./topic-ring.ts";

export interface TopicOutboxOptions {
  readonly self: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** Milliseconds since 1970, as the other gateways count them. */
  readonly wallClock: () => number;
  /** Something waits to be sent to the other gateways: see that `flush` is called at the end of this turn of the event loop. */
  readonly onBegun: () => void;
  readonly limits: { readonly batchBytes: number; readonly ringBytes: number };
}

/** Topics whose numbers are kept, so that topics made up by clients cannot fill the memory. */
const rememberedTopics = 65_536;

export interface OutgoingPublish {
  /** Kept until the next flush. */
  readonly data: Uint8Array;
  readonly isBinary: boolean;
  /** `data` is frames that belong together, as encodeTogether has them. */
  readonly isTogether?: boolean | undefined;
  /** Ids of connections that do not get it. */
  readonly except?: readonly string[] | undefined;
}

export class TopicOutbox {
  private readonly options: TopicOutboxOptions;
  private readonly pending = new Map<string, OutgoingPublish[]>();
  /** The number of the last batch that was sent, by topic: those that were published to last. */
  private readonly sent = new Map<string, number>();
  /** No topic that was forgotten had a higher one: numbers never go back, or receivers would take news for doubles. */
  private highestForgotten = 0;
  private readonly builder = new BatchBuilder();
  private readonly ring: TopicRing;

  constructor(options: TopicOutboxOptions) {
    this.options = options;
    this.ring = new TopicRing(options.limits.ringBytes);
    options.bus.subscribe(options.subjects.repair, ({ payload }) => this.repair(payload));
  }

  publish(topic: string, publish: OutgoingPublish): void {
    if (this.pending.size === 0) this.options.onBegun();
    const list = this.pending.get(topic);
    if (list === undefined) this.pending.set(topic, [publish]);
    else list.push(publish);
  }

  flush(): void {
    if (this.pending.size === 0) return;
    const all = [...this.pending];
    this.pending.clear();
    this.options.bus.together(() => {
      for (const [topic, list] of all) this.send(topic, list);
    });
  }

  /** Sends again what was published since then, to whoever may have missed it. */
  sendAgain(since: number): void {
    const { bus, subjects } = this.options;
    for (const { topic, bytes } of this.ring.since(since)) bus.publish(subjects.topicAgain(topic), bytes);
  }

  private send(topic: string, list: readonly OutgoingPublish[]): void {
    for (const publish of list) {
      const { isBinary } = publish;
      const type = typeOf(publish);
      const payload = type === toGateway.publish ? publish.data : encodePublishExcept(topic, publish.data, publish.except ?? []);
      if (this.builder.records > 0 && this.builder.bytes + payload.length > this.options.limits.batchBytes) this.seal(topic);
      this.builder.append({ type, flags: isBinary ? flag.binary : 0, extra: 0, slot: 0, epoch: 0 }, payload);
    }
    this.seal(topic);
  }

  private seal(topic: string): void {
    const { seq, before } = this.nextNumber(topic);
    const { self, bus, subjects, wallClock } = this.options;
    const at = wallClock();
    const bytes = this.builder.seal({ from: self, to: "", session: at, peerSession: 0, seq, ack: before, gap: false });
    this.ring.add({ topic, seq, bytes, at });
    bus.publish(subjects.topicFromGateways(topic), bytes);
  }

  private nextNumber(topic: string): { seq: number; before: number } {
    const before = this.sent.get(topic);
    const seq = (before ?? this.highestForgotten) + 1;
    this.sent.delete(topic);
    this.sent.set(topic, seq);
    if (this.sent.size > rememberedTopics) {
      const [oldest] = this.sent as Iterable<[string, number]>;
      if (oldest !== undefined) {
        this.sent.delete(oldest[0]);
        this.highestForgotten = Math.max(this.highestForgotten, oldest[1]);
      }
    }
    return { seq, before: before ?? 0 };
  }

  // Another gateway lacks something that may have been published here.
  private repair(payload: Uint8Array): void {
    const { bus, subjects, self } = this.options;
    const { to, number, topics } = parseRepair(payload);
    const asked = new Map(topics.map((lacking) => [lacking.topic, lacking]));
    for (const { topic, seq, bytes, at } of this.ring.since(0)) {
      const lacking = asked.get(topic);
      if (lacking === undefined) continue;
      const last = lacking.seen[self];
      // Of a gateway that it has heard nothing of on this topic, it lacks at most what came while it was away, and wanted it.
      const isLacking = last === undefined ? at >= lacking.since : seq > last;
      if (isLacking) bus.publish(subjects.repairedTopic(to, topic), bytes);
    }
    // That was all: what is still missing up to here is gone. Whoever waits for it need not wait any longer.
    for (const topic of asked.keys()) {
      const sent = this.sent.get(topic);
      if (sent === undefined) continue;
      const end = { from: self, to: "", session: number, peerSession: 0, seq: 0, ack: sent, gap: false };
      bus.publish(subjects.repairedTopic(to, topic), encodeEmptyBatch(end));
    }
  }
}

function typeOf({ isTogether, except }: OutgoingPublish): number {
  if (isTogether) return toGateway.publishTogether;
  return except === undefined ? toGateway.publish : toGateway.publishExcept;
}
