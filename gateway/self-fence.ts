// Closes every connection once NATS has been away for so long that workers may soon take this gateway for dead, and run each onClose in
// its stead. Slice by slice, however many there are. Pure.

import type { Connection } from "./connection.ts";
import { runSlice } from "./time-slice.ts";

export interface FenceOptions {
  readonly connections: () => Iterable<Connection>;
  readonly now: () => number;
  /** Runs the next slice, once the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  /** How long one slice may hold up the event loop. */
  readonly sliceMs: number;
  readonly close: (connection: Connection) => void;
}

export class Fence {
  private readonly options: FenceOptions;
  private state: "down" | "closing" | "up" = "down";

  constructor(options: FenceOptions) {
    this.options = options;
  }

  /** NATS has been away for too long. May be called again. */
  raise(): void {
    if (this.state !== "down") return;
    this.state = "closing";
    this.slice(this.closes());
  }

  /** NATS is back: nothing more is closed. */
  lower(): void {
    this.state = "down";
  }

  /** One that has opened meanwhile is closed, too. */
  opened(connection: Connection): void {
    if (this.state !== "down") this.close(connection);
  }

  private slice(pass: Iterator<void>): void {
    const { now, later, sliceMs } = this.options;
    if (this.state !== "closing") return;
    if (runSlice(pass, now, now() + sliceMs)) this.state = "up";
    else later(() => this.slice(pass));
  }

  private *closes(): Generator<void, void> {
    for (const connection of this.options.connections()) {
      this.close(connection);
      yield;
    }
  }

  private close(connection: Connection): void {
    if (connection.isFenced) return;
    connection.isFenced = true;
    this.options.close(connection);
  }
}
