// How a gateway that ends takes leave of its connections. Where another gateway serves, a batch at a time, with 1012, so that those
// who come back do not all come at once; else all together, with 1001. A connection that is to leave takes nothing more, and is
// closed once what it had taken has committed, its sends included, or when its time is up. Pure: sockets and the clock are handed in.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Connection } from "./connection.ts";

export interface ConnectionDrainOptions {
  readonly now: () => number;
  /** All that have not ended; those that are let in meanwhile, too. */
  readonly connections: Iterable<Connection>;
  /** Whether another gateway takes whoever comes back. */
  readonly hasPeer: () => boolean;
  readonly limits: {
    /** How many are told to leave at once, and how long it takes until the next. More where it would take too long. */
    readonly batch: number;
    readonly pauseMs: number;
    /** After so long, whoever is still there is closed, whatever it waits for. */
    readonly closeMs: number;
  };
  /** Closes the socket. */
  readonly close: (connection: Connection, code: ErrorCode) => void;
  readonly onBatch: (told: number, left: number) => void;
}

/** Where all are told at once: how soon those are told who were let in meanwhile. */
const lookMs = 20;

export class ConnectionDrain {
  private readonly options: ConnectionDrainOptions;
  private readonly closeBy: number;
  private toldAt = Number.NEGATIVE_INFINITY;
  /** They take nothing more, and are closed once nothing of them is uncommitted. */
  private readonly leaving = new Set<Connection>();

  constructor(options: ConnectionDrainOptions) {
    this.options = options;
    this.closeBy = options.now() + options.limits.closeMs;
  }

  /** To be called every few milliseconds. */
  step(): void {
    const now = this.options.now();
    const isLate = now >= this.closeBy;
    const hasPeer = this.options.hasPeer();
    const isAll = isLate || !hasPeer;
    if (now - this.toldAt >= (isAll ? lookMs : this.options.limits.pauseMs)) {
      this.toldAt = now;
      this.tell(isAll ? Number.POSITIVE_INFINITY : this.batch(now));
    }
    for (const connection of this.leaving) {
      if (connection.socket !== undefined && connection.events.length > 0 && !isLate) continue;
      this.leaving.delete(connection);
      if (connection.socket !== undefined) this.options.close(connection, hasPeer ? "gateway.restarts" : "gateway.ends");
    }
  }

  private tell(most: number): void {
    let told = 0;
    let left = 0;
    for (const connection of this.options.connections) {
      if (connection.socket === undefined || this.leaving.has(connection)) continue;
      if (told === most) left++;
      else {
        if (connection.intake === "open") connection.intake = "closing";
        this.leaving.add(connection);
        told++;
      }
    }
    if (told > 0) this.options.onBatch(told, left);
  }

  // More where the last one would be late.
  private batch(now: number): number {
    const { batch, pauseMs } = this.options.limits;
    let open = 0;
    for (const connection of this.options.connections) if (connection.socket !== undefined && !this.leaving.has(connection)) open++;
    const batches = pauseMs === 0 ? 1 : Math.max(1, Math.floor((this.closeBy - now) / pauseMs));
    return Math.max(batch, Math.ceil(open / batches));
  }
}
