// Work with topics: one connection of each publishes, all of them hear it, and the next goes out when they have.

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
  private readonly window: number;
  private heard = 0;
  private isSending = true;

  constructor(subscribers: readonly Client[], window: number) {
    this.subscribers = subscribers;
    this.window = window;
  }

  begin(): void {
    const ears = {
      onMessage: () => {
        this.heard++;
      },
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

  private fill(): void {
    const { publisher } = this;
    if (publisher === undefined || !this.isSending) return;
    const underWay = publisher.sent - Math.floor(this.heard / this.subscribers.length);
    if (underWay < this.window) publisher.send(this.window - underWay, 0);
  }
}
