// Closes every connection once NATS has been away for so long that workers may soon take this gateway for dead, and run each onClose in
// its stead. Slice by slice, however many there are. Pure.

import type { Connection } from "./connection.ts";

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
  private rest: Iterator<Connection> | undefined;

  constructor(options: FenceOptions) {
    this.options = options;
  }

  /** To be called again and again while NATS is away: some may have opened since. */
  raise(): void {
    if (this.rest !== undefined) return;
    this.rest = this.options.connections[Symbol.iterator]();
    this.slice();
  }

  /** NATS is back: nothing more is closed. */
  lower(): void {
    this.rest = undefined;
  }

  private slice(): void {
    const { now, later, sliceMs, close } = this.options;
    const until = now() + sliceMs;
    while (this.rest !== undefined) {
      const { value: connection, done } = this.rest.next();
      if (done) this.rest = undefined;
      else if (!connection.isFenced) {
        connection.isFenced = true;
        close(connection);
        if (now() >= until) return later(() => this.slice());
      }
    }
  }
}
