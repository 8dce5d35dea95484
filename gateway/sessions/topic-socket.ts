// What sockets have in common that uWebSockets.js does not know: the topics that they subscribe to. Pure.

import type { Frame } from "./frame-queue.ts";
import type { SessionTopics, Subscriber } from "./session-topics.ts";

export interface TopicSocketOptions {
  readonly topics: SessionTopics;
  /** To the subscribers that uWebSockets.js knows. */
  readonly publishToSockets: (topic: string, data: Uint8Array, isBinary: boolean) => void;
}

export abstract class TopicSocket implements Subscriber {
  private readonly publishing: TopicSocketOptions;
  private readonly subscribed = new Set<string>();

  constructor(publishing: TopicSocketOptions) {
    this.publishing = publishing;
  }

  abstract push(frame: Frame): void;

  /** Whether it is a socket still. */
  protected abstract get maySubscribe(): boolean;

  /** What is sent meanwhile leaves together anyway. */
  cork(write: () => void): void {
    write();
  }

  subscribe(topic: string): void {
    if (!this.maySubscribe) return;
    this.subscribed.add(topic);
    this.publishing.topics.add(topic, this);
  }

  unsubscribe(topic: string): void {
    if (this.subscribed.delete(topic)) this.publishing.topics.remove(topic, this);
  }

  isSubscribed(topic: string): boolean {
    return this.subscribed.has(topic);
  }

  publish(topic: string, data: Uint8Array, isBinary: boolean): void {
    const { topics, publishToSockets } = this.publishing;
    publishToSockets(topic, data, isBinary);
    topics.publish(topic, data, isBinary, this);
  }

  /** @returns those that it has left. */
  protected leaveTopics(): string[] {
    const left = [...this.subscribed];
    for (const topic of left) this.unsubscribe(topic);
    return left;
  }
}
