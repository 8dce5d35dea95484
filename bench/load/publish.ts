// Work with topics: one connection of each publishes, all of them hear it, and the next goes out when the last one has.

import type { Client } from "./client.ts";
import type { Workload } from "./workload.ts";

export class Publish implements Workload {
  private readonly topics: readonly Topic[];

  /** @param topics The subscribers of each; the first one publishes. @param window Publishes under way in each topic. */
  constructor(topics: readonly (readonly Client[])[], window: number) {
    this.topics = topics.map((subscribers) => new Topic(subscribers, window));
  }

  begin(): void {
    for (const topic of this.topics) topic.begin();
  }

  stop(): void {
    for (const topic of this.topics) topic.stop();
  }

  lost(): number {
    return this.topics.reduce((sum, topic) => sum + topic.lost(), 0);
  }
}

class Topic {
  private readonly subscribers: readonly Client[];
  /** How many have heard each of those that are under way, by its number in the window. */
  private readonly heardBy: Uint32Array;
  private underWay = 0;
  private isSending = true;

  constructor(subscribers: readonly Client[], window: number) {
    this.subscribers = subscribers;
    this.heardBy = new Uint32Array(window);
  }

  begin(): void {
    const ears = {
      onMessage: (number: number) => this.hear(number % this.heardBy.length),
      onRead: () => this.fill(),
    };
    for (const subscriber of this.subscribers) subscriber.ears = ears;
    this.fill();
  }

  stop(): void {
    this.isSending = false;
  }

  lost(): number {
    const sent = this.publisher?.sent ?? 0;
    return this.subscribers.reduce((sum, { heard }) => sum + heard.lost(sent - 1), 0);
  }

  private get publisher(): Client | undefined {
    return this.subscribers[0];
  }

  private hear(place: number): void {
    const heardBy = (this.heardBy[place] as number) + 1;
    const isOver = heardBy === this.subscribers.length;
    this.heardBy[place] = isOver ? 0 : heardBy;
    if (isOver) this.underWay--;
  }

  private fill(): void {
    const count = this.heardBy.length - this.underWay;
    if (count === 0 || !this.isSending) return;
    this.publisher?.send(count, 0);
    this.underWay += count;
  }
}
