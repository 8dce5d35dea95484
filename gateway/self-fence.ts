// Closes every connection once NATS has been away for so long that workers may soon take this gateway for dead, and run each onClose in
// its stead. Slice by slice, however many there are. Pure.

import { runSlices, type Slices } from "../process/time-slice.ts";
import type { Connection } from "./connection.ts";

export interface SelfFenceOptions extends Slices {
  readonly connections: () => Iterable<Connection>;
  readonly close: (connection: Connection) => void;
}

export class SelfFence {
  private readonly options: SelfFenceOptions;
  /** Ends the pass; undefined: NATS is there, or not away for long. */
  private endPass: (() => void) | undefined;

  constructor(options: SelfFenceOptions) {
    this.options = options;
  }

  /** NATS has been away for too long. May be called again. */
  raise(): void {
    this.endPass ??= runSlices(this.closes(), this.options);
  }

  /** NATS is back: nothing more is closed. */
  lower(): void {
    this.endPass?.();
    this.endPass = undefined;
  }

  /** One that has opened meanwhile is closed, too. */
  opened(connection: Connection): void {
    if (this.endPass !== undefined) this.close(connection);
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
