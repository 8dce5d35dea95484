// Topics across gateways: who is interested here, and what goes to and comes from the others. Local fan-out is
// uWebSockets' own publish; NATS has a subscription for each topic that has a local subscriber.
//
// Delivered: each publisher's messages in order and once, to everyone who was subscribed when the publish committed. What a
// NATS fault swallows is sent again from the publishing gateway's ring; what has fallen out of it is counted as missed.
// May be lost: what programs outside publish.

import { isUtf8 } from "node:buffer";
import { runSlices, type Slices } from "../process/time-slice.ts";
import { KnownHeaders } from "../protocol/batch-header.ts";
import type { BusMessage, BusSubscription } from "../protocol/bus.ts";
import { type Batch, decodeBatch } from "../protocol/envelope.ts";
import { CodedError } from "../protocol/errors.ts";
import type { Announcement } from "../protocol/membership.ts";
import { encodeRepair } from "../protocol/repair.ts";
import { decodeTopic, frameHeader } from "../protocol/subjects.ts";
import { Confirmations } from "./confirmations.ts";
import type { KeptTopics } from "./history/kept-topics.ts";
import { Publishers, silenceMs } from "./known-publishers.ts";
import { publishReceived } from "./received-publish.ts";
import { repairRequests, seenOf } from "./repair-requests.ts";
import { TopicInbox } from "./topic-inbox.ts";
import { TopicOutbox, type TopicOutboxOptions } from "./topic-outbox.ts";

/** Reaches every local subscriber, but for these: ids of connections, wherever they are. */
export type PublishHere = (topic: string, data: Uint8Array, isBinary: boolean, except?: readonly string[]) => void;

export interface TopicsOptions extends TopicOutboxOptions, Slices {
  readonly publishHere: PublishHere;
  /** Who takes what JetStream has kept, and published then. */
  readonly kept: Pick<KeptTopics, "take" | "forget">;
  readonly limits: TopicLimits;
}

export interface TopicLimits {
  readonly batchBytes: number;
  readonly externalBytes: number;
  readonly ringBytes: number;
}

/** Who was the first here to want topics: whose they count as, as long as the gateway has them. */
export interface TopicOwner {
  topics: number;
}

interface Interest {
  readonly subscription: BusSubscription;
  /** When the first local subscriber wanted it, by the wall clock. */
  readonly wantedAt: number;
  /** How often NATS had come back until then: where it was away since, a gateway that is heard for the first time may have published before. */
  readonly returns: number;
  /** Local subscribers, and turns about to commit one. */
  count: number;
  /** Undefined once NATS has confirmed the subscription. */
  confirmed: Promise<void> | undefined;
  readonly owner: TopicOwner | undefined;
  /** By the gateway that publishes. */
  readonly inboxes: Map<string, TopicInbox>;
}

/** A fault is noticed late: what was published so long before it is sent again too. */
const faultMarginMs = 15_000;
/** After so long, not so: others may soon forget what they had of us by then, and would take it for news. */
const knownMs = silenceMs / 2;

/** So many are asked for in one step of a slice. */
const askedAtOnce = 1_000;

export class Topics {
  readonly counters = { published: 0, received: 0, external: 0, missed: 0 };
  /** Local subscribers of all topics, and turns about to commit one. */
  subscriptions = 0;
  private readonly options: TopicsOptions;
  private readonly interests = new Map<string, Interest>();
  private readonly known = new KnownHeaders();
  private readonly outbox: TopicOutbox;
  private readonly confirmations: Confirmations;
  private readonly publishers = new Publishers();
  /** What waits for a repair. */
  private readonly waiting = new Map<TopicInbox, { readonly topic: string; readonly interest: Interest }>();
  private disconnectedAt = 0;
  private returns = 0;
  private endAsking: (() => void) | undefined;
  /** Requests for repair, and the first one since the connection to NATS is what it is: of earlier answers a part may be lost. */
  private asked = 0;
  private firstAsked = 1;

  constructor(options: TopicsOptions) {
    this.options = options;
    this.outbox = new TopicOutbox(options);
    this.confirmations = new Confirmations(options.bus);
    const { bus, subjects, self } = options;
    bus.subscribe(subjects.repaired(self), ({ subject, payload }) => {
      const topic = decodeTopic(subject.slice(subject.lastIndexOf(".") + 1));
      const interest = this.interests.get(topic);
      if (interest !== undefined) this.take(topic, interest, decodeBatch(payload, this.known));
    });
  }

  get size(): number {
    return this.interests.size;
  }

  /** It has a subscriber here. */
  has(topic: string): boolean {
    return this.interests.has(topic);
  }

  /** It has one, and everything that is published from now on arrives here. */
  isConfirmed(topic: string): boolean {
    const interest = this.interests.get(topic);
    return interest !== undefined && interest.confirmed === undefined;
  }

  /** When the first subscriber here wanted it, by the wall clock. */
  wantedAt(topic: string): number | undefined {
    return this.interests.get(topic)?.wantedAt;
  }

  /** Of other gateways, whose publishes are told apart from those that come again for as long as they may. */
  hear(announcement: Announcement): void {
    if (announcement.kind === "gateway") this.publishers.hear(announcement.id);
    else if (announcement.kind === "gone") this.publishers.ended(announcement.id);
  }

  /**
   * Counts one more subscriber. To be undone by `release`.
   * @returns undefined where everything published from now on arrives here; else what to wait for.
   */
  want(topic: string, owner?: TopicOwner): Promise<void> | undefined {
    this.subscriptions++;
    const known = this.interests.get(topic);
    if (known !== undefined) {
      known.count++;
      return known.confirmed;
    }
    const { bus, subjects, wallClock } = this.options;
    const subscription = bus.subscribe(subjects.topic(topic), (message) => this.receive(topic, interest, message));
    const wantedAt = wallClock();
    const { returns } = this;
    const interest: Interest = { subscription, wantedAt, returns, count: 1, confirmed: undefined, owner, inboxes: new Map() };
    if (owner !== undefined) owner.topics++;
    interest.confirmed = this.confirmations.confirm().then(() => {
      interest.confirmed = undefined;
    });
    this.interests.set(topic, interest);
    return interest.confirmed;
  }

  release(topic: string): void {
    const interest = this.interests.get(topic);
    if (interest === undefined) return;
    this.subscriptions--;
    if (--interest.count > 0) return;
    this.interests.delete(topic);
    if (interest.owner !== undefined) interest.owner.topics--;
    interest.subscription.unsubscribe();
    this.options.kept.forget(topic);
  }

  /**
   * Sends to the other gateways' subscribers; the local ones have been served.
   * @param data is kept until the next flush.
   * @param except Ids of connections that do not get it.
   */
  publishElsewhere(topic: string, data: Uint8Array, isBinary: boolean, except?: readonly string[]): void {
    this.counters.published++;
    this.outbox.publish(topic, { data, isBinary, except });
  }

  /** The same of frames that belong together, as encodeTogether has them. */
  publishTogetherElsewhere(topic: string, data: Uint8Array, except: readonly string[]): void {
    this.counters.published++;
    this.outbox.publish(topic, { data, isBinary: false, isTogether: true, except });
  }

  flush(): void {
    this.outbox.flush();
  }

  /** The connection to NATS has broken. */
  disconnected(): void {
    this.disconnectedAt = this.options.wallClock();
  }

  /** It is back: the others may lack what was published meanwhile, and so may we. */
  reconnected(): void {
    const awayMs = this.options.wallClock() - this.disconnectedAt;
    const since = this.disconnectedAt - (awayMs > knownMs ? 0 : faultMarginMs);
    // As much as the ring holds.
    this.outbox.sendAgain(since);
    this.returns++;
    this.firstAsked = this.asked + 1;
    this.endAsking?.();
    this.endAsking = runSlices(this.askAll(), this.options);
  }

  private *askAll(): Generator<void> {
    let topics: string[] = [];
    for (const topic of this.interests.keys()) {
      if (topics.push(topic) < askedAtOnce) continue;
      this.ask(topics);
      topics = [];
      yield;
    }
    if (topics.length > 0) this.ask(topics);
  }

  /** To be called several times a second: gaps that wait for a repair, and gateways that are no more. */
  sweep(): void {
    const now = this.options.now();
    this.publishers.listened(now, !this.options.bus.connected);
    for (const gateway of this.publishers.takeGone()) runSlices(this.forget(gateway), this.options);
    const lacking: string[] = [];
    // As many as a fault has left with gaps.
    for (const [inbox, { topic, interest }] of this.waiting) {
      if (!inbox.isWaiting || this.interests.get(topic) !== interest) {
        this.waiting.delete(inbox);
        continue;
      }
      if (inbox.wantsRepair(now)) lacking.push(topic);
      this.deliver(topic, inbox, inbox.overdue(now));
    }
    if (lacking.length > 0 && this.options.bus.connected) this.ask(lacking);
  }

  // What waits for a repair is delivered first: then it is forgotten, as one that has ended.
  private *forget(gateway: string): Generator<void> {
    for (const { inboxes } of this.interests.values()) {
      // Heard again meanwhile, or as one that waits: it is forgotten another time.
      if (this.publishers.has(gateway)) return;
      if (inboxes.get(gateway)?.isWaiting) {
        this.publishers.meet(gateway);
        this.publishers.ended(gateway);
      } else inboxes.delete(gateway);
      yield;
    }
  }

  private receive(topic: string, interest: Interest, message: BusMessage): void {
    const { subject, payload } = message;
    if (subject.endsWith(".publish")) this.receiveExternal(topic, payload, message.header(frameHeader) !== "text");
    else if (subject.startsWith("kept-", subject.lastIndexOf(".") + 1)) this.options.kept.take(topic, message);
    else this.take(topic, interest, decodeBatch(payload, this.known), subject.endsWith(".again"));
  }

  // A client must fail its connection where a text frame is not UTF-8 (RFC 6455, 8.1): one would cost the topic all its subscribers.
  private receiveExternal(topic: string, payload: Uint8Array, isBinary: boolean): void {
    const { externalBytes } = this.options.limits;
    const isTooLarge = payload.length > externalBytes;
    if (isTooLarge || (!isBinary && !isUtf8(payload))) {
      const wrong = isTooLarge ? `${payload.length} bytes, at most ${externalBytes} are allowed` : "as text what is not UTF-8";
      throw new CodedError("publish.invalid", `to topic ${JSON.stringify(topic)} another program published ${wrong}`);
    }
    this.counters.external++;
    this.options.publishHere(topic, payload, isBinary);
  }

  private take(topic: string, interest: Interest, batch: Batch, isAgain = false): void {
    const { inboxes, returns, wantedAt } = interest;
    const { from, seq, ack, session } = batch.header;
    if (seq === 0 && session < this.firstAsked) return;
    let inbox = inboxes.get(from);
    if (inbox === undefined) {
      inbox = new TopicInbox();
      inboxes.set(from, inbox);
      this.publishers.meet(from);
    }
    // Sent again to those who have missed it: whoever came later never wanted it.
    if (isAgain && session < wantedAt) this.deliver(topic, inbox, inbox.passOver(seq));
    this.deliver(topic, inbox, seq === 0 ? inbox.repaired(ack) : inbox.take(batch, returns < this.returns));
    if (inbox.isWaiting) this.waiting.set(inbox, { topic, interest });
    if (inbox.wantsRepair(this.options.now())) this.ask([topic]);
  }

  private deliver(topic: string, inbox: TopicInbox, batches: readonly Batch[]): void {
    this.counters.missed += inbox.missed;
    inbox.missed = 0;
    for (const batch of batches) {
      for (let index = 0; index < batch.records; index++) {
        this.counters.received++;
        publishReceived(this.options.publishHere, topic, batch, index);
      }
    }
  }

  // Asks every other gateway for what it published to these topics after what has been seen of it.
  private ask(topics: readonly string[]): void {
    const { bus, subjects, self, wallClock, limits } = this.options;
    // NATS may have given us up long before we noticed: what waited for us there is gone too.
    const awaySince = this.disconnectedAt - faultMarginMs;
    const lacks = topics.map((topic) => {
      const interest = this.interests.get(topic);
      return { topic, since: Math.max(awaySince, interest?.wantedAt ?? wallClock()), seen: seenOf(interest?.inboxes ?? []) };
    });
    for (const lacking of repairRequests(lacks, limits.batchBytes)) {
      bus.publish(subjects.repair, encodeRepair({ to: self, number: ++this.asked, topics: lacking }));
    }
  }
}
