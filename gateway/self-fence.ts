// Closes every connection once NATS has been away for so long that workers may soon take this gateway for dead, and run each onClose in
// its stead. Slice by slice, however many there are. Pure.

import type { Connection } from "./connection.ts";
import { runSlice } from "./time-slice.ts";

export interface SelfFenceOptions {
  readonly connections: () => Iterable<Connection>;
  readonly now: () => number;
  /** Runs the next slice, once the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  /** How long one slice may hold up the event loop. */
  readonly sliceMs: number;
  readonly close: (connection: Connection) => void;
}

export class SelfFence {
  private readonly options: SelfFenceOptions;
  /** undefined: NATS is there, or not away for long. over: all are closed. */
  private pass: Iterator<void> | "over" | undefined;

  constructor(options: SelfFenceOptions) {
    this.options = options;
  }

  /** NATS has been away for too long. May be called again. */
  raise(): void {
    if (this.pass !== undefined) return;
    this.pass = this.closes();
    this.slice(this.pass);
  }

  /** NATS is back: nothing more is closed. */
  lower(): void {
    this.pass = undefined;
  }

  /** One that has opened meanwhile is closed, too. */
  opened(connection: Connection): void {
    if (this.pass !== undefined) this.close(connection);
  }

  private slice(pass: Iterator<void>): void {
    const { now, later, sliceMs } = this.options;
    // NATS was back meanwhile, and may be away again: then this is not the pass that counts.
    if (this.pass !== pass) return;
    if (runSlice(pass, now, now() + sliceMs)) this.pass = "over";
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
