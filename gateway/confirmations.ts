// Waits until NATS has what was subscribed to: one question for all that is asked in one step of the event loop, not one for each.

import type { Bus } from "../protocol/bus.ts";

export class Confirmations {
  private readonly bus: Pick<Bus, "flush" | "whenConnected">;
  private next: Promise<void> | undefined;

  constructor(bus: Pick<Bus, "flush" | "whenConnected">) {
    this.bus = bus;
  }

  /** Resolves when NATS has handled all that was sent before; never rejects. */
  confirm(): Promise<void> {
    this.next ??= Promise.resolve().then(() => {
      this.next = undefined;
      return this.ask();
    });
    return this.next;
  }

  // A connection that breaks meanwhile has its subscriptions again once it is back: then the next flush confirms them.
  private async ask(): Promise<void> {
    for (;;) {
      try {
        await this.bus.flush();
        return;
      } catch {
        await this.bus.whenConnected();
      }
    }
  }
}
