// Closes every connection once NATS has been away for so long that workers may soon take this gateway for dead, and run each onClose in
// its stead. Slice by slice, however many there are. Pure.

import type { Connection } from "./connection.ts";
import { runSlice } from "./time-slice.ts";

export interface FenceOptions {
  readonly connections: Iterable<Connection>;
  readonly now: () => number;
  /** Runs the next slice, once the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  /** How long one slice may hold up the event loop. */
  readonly sliceMs: number;
  readonly close: (connection: Connection) => void;
}

export class Fence {
  private readonly options: FenceOptions;
  private pass: Iterator<void> | undefined;

  constructor(options: FenceOptions) {
    this.options = options;
  }

  /** To be called again and again while NATS is away: some may have opened since. */
  raise(): void {
    if (this.pass !== undefined) return;
    this.pass = this.closes();
    this.slice();
  }

  /** NATS is back: nothing more is closed. */
  lower(): void {
    this.pass = undefined;
  }

  private slice(): void {
    const { now, later, sliceMs } = this.options;
    if (this.pass === undefined) return;
    if (runSlice(this.pass, now, now() + sliceMs)) this.pass = undefined;
    else later(() => this.slice());
  }

  private *closes(): Generator<void, void> {
    for (const connection of this.options.connections) {
      if (!connection.isFenced) {
        connection.isFenced = true;
        this.options.close(connection);
      }
      yield;
    }
  }
}
