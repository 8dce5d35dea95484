// Connections that a deploy leaves with their workers for a while: a turn has asked for it, since the worker has something in memory that the
// client's next messages belong to. See `conn.stay`. Pure.

import type { Connection } from "./connection.ts";

/** A turn may ask for no more, and no connection holds up a deploy for longer. */
export const longestStayMs = 10_000;
/** A worker that drains is not held up for longer: its DRAIN_MS is 8 s by default, of which its turns need some. */
const drainStayMs = 5_000;

/** `staysUntil` of a connection that was asked back behind its stay, or whose stay has ended since: there is no other until it has moved. */
export const hasStayed = -1;

export interface StaysOptions {
  readonly now: () => number;
  /** Its time is up, and a hand-over has waited for it. */
  readonly move: (connection: Connection) => void;
}

export class Stays {
  private readonly options: StaysOptions;
  /** A hand-over waits for them. */
  private readonly awaited = new Set<Connection>();

  constructor(options: StaysOptions) {
    this.options = options;
  }

  /** A turn has asked that its connection is left where it is. @param ms 0: it may move from now on. */
  set(connection: Connection, ms: number): void {
    if (connection.staysUntil === hasStayed) return;
    const isLeaving = connection.phase === "leaving";
    // It moves once all of its turn has been applied: moving may close it.
    if (ms === 0) connection.staysUntil = isLeaving ? hasStayed : 0;
    // Else a client that goes on and on would hold up a deploy for good.
    else if (isLeaving ? connection.staysUntil === 0 : !this.awaited.has(connection)) {
      connection.staysUntil = this.options.now() + Math.min(ms, longestStayMs);
    }
    if (isLeaving) connection.leavingSince = Math.max(this.options.now(), connection.staysUntil);
  }

  /** What its turns have asked for is applied. */
  applied(connection: Connection): void {
    if (this.awaited.size > 0 && connection.staysUntil === 0) this.end(connection);
  }

  /** @returns whether a hand-over leaves it where it is: `move` follows. */
  passesOver(connection: Connection): boolean {
    const { worker } = connection;
    if (worker !== undefined) connection.staysUntil = Math.min(connection.staysUntil, worker.drainsSince + drainStayMs);
    if (connection.staysUntil <= this.options.now()) return false;
    this.awaited.add(connection);
    return true;
  }

  sweep(): void {
    const now = this.options.now();
    for (const connection of this.awaited) if (connection.phase !== "pinned" || connection.staysUntil <= now) this.end(connection);
  }

  private end(connection: Connection): void {
    connection.staysUntil = 0;
    if (this.awaited.delete(connection)) this.options.move(connection);
  }
}
