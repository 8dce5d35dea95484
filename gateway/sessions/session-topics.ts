// Who of the clients that speak HTTP subscribes to which topic: uWebSockets.js knows its own sockets only. Pure.

import type { Frame } from "./frame-queue.ts";

export interface Subscriber {
  /** @param frame to be kept as it is. */
  push(frame: Frame): void;
}

export class SessionTopics {
  private readonly topics = new Map<string, Set<Subscriber>>();

  /** Topics that have a subscriber. */
  get size(): number {
    return this.topics.size;
  }

  add(topic: string, subscriber: Subscriber): void {
    const subscribers = this.topics.get(topic);
    if (subscribers === undefined) this.topics.set(topic, new Set([subscriber]));
    else subscribers.add(subscriber);
  }

  remove(topic: string, subscriber: Subscriber): void {
    const subscribers = this.topics.get(topic);
    if (subscribers?.delete(subscriber) && subscribers.size === 0) this.topics.delete(topic);
  }

  /** @param data valid during the call only: it is copied once for all. @param except One who does not get it. */
  publish(topic: string, data: Uint8Array, isBinary: boolean, except?: Subscriber): void {
    if (this.topics.size === 0) return;
    const subscribers = this.topics.get(topic);
    if (subscribers === undefined) return;
    const frame: Frame = { data: Uint8Array.from(data), isBinary };
    for (const subscriber of subscribers) if (subscriber !== except) subscriber.push(frame);
  }
}
