// What is published for handlers, on its way to their turns: what a turn publishes is delivered behind its commit.

import { toWorker } from "../../protocol/records.ts";
import type { Frame } from "../effects.ts";
import type { HeldConnection } from "./held-connection.ts";

export class HookDeliveries {
  private readonly deliver: (connection: HeldConnection) => void;
  private readonly waiting = new Set<HeldConnection>();
  private isCommitting = false;
  private published = 0;

  constructor(deliver: (connection: HeldConnection) => void) {
    this.deliver = deliver;
  }

  /** @param connections that have the topic with `hook`. */
  publish(connections: readonly HeldConnection[], topic: string, frame: Frame): void {
    const number = ++this.published;
    for (const connection of connections) {
      void connection.arrive({ type: toWorker.published, topic, number, frame });
      this.waiting.add(connection);
    }
    if (!this.isCommitting) this.deliverAll();
  }

  committing(apply: () => void): void {
    this.isCommitting = true;
    apply();
    this.isCommitting = false;
  }

  deliverAll(): void {
    for (const connection of this.waiting) {
      this.waiting.delete(connection);
      this.deliver(connection);
    }
  }
}
