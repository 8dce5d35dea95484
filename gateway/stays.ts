// Connections that a deploy leaves with their workers for a while: a turn has asked for it, since the worker has something in memory that the
// client's next messages belong to. See `conn.stay`. Pure.

import { drainStayMs, longestStayMs } from "../protocol/stay.ts";
import type { Connection } from "./connection.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** `staysUntil` of a connection that was asked back when its time was up, or with nothing under way: it does not stay again until it has moved. */
export const hasStayed = -1;

export interface StaysOptions {
  readonly now: () => number;
  /** Whether it is with a worker that it is to leave. */
  readonly isToMove: (connection: Connection) => boolean;
  readonly move: (connection: Connection) => void;
}

/** A hand-over has passed it over at this worker, and waits until then at most. */
interface Awaited {
  readonly worker: WorkerPeer;
  readonly until: number;
}

export class Stays {
  private readonly options: StaysOptions;
  private readonly awaited = new Map<Connection, Awaited>();

  constructor(options: StaysOptions) {
    this.options = options;
  }

  /** A turn has asked that its connection is left where it is. @param ms 0: it may move from now on. */
  set(connection: Connection, ms: number): void {
    const { staysUntil, phase } = connection;
    if (staysUntil === hasStayed) return;
    const now = this.options.now();
    // It moves once all of its turn has been applied: moving may close it.
    if (ms === 0) connection.staysUntil = 0;
    // A worker that was asked back keeps it for no longer than it has asked for first.
    else if (phase !== "leaving" || staysUntil <= now) {
      const until = Math.min(now + Math.min(ms, longestStayMs), drainEndOf(connection));
      // Else a client that goes on and on would hold up a deploy for good.
      connection.staysUntil = this.isAwaited(connection) ? Math.min(until, this.awaited.get(connection)?.until ?? until) : until;
    }
    // No pause: its messages have a worker until then.
    if (phase === "leaving" && (ms > 0 || staysUntil > 0)) connection.leavingSince = Math.max(now, connection.staysUntil);
  }

  /** What its turns have asked for is applied. */
  applied(connection: Connection): void {
    if (this.awaited.size > 0 && connection.staysUntil === 0) this.end(connection);
  }

  /** @returns whether a hand-over leaves it where it is: `move` follows. */
  passesOver(connection: Connection): boolean {
    const { worker } = connection;
    const now = this.options.now();
    if (worker === undefined) return false;
    connection.staysUntil = Math.min(connection.staysUntil, drainEndOf(connection));
    if (connection.staysUntil > now) {
      if (!this.isAwaited(connection)) this.awaited.set(connection, { worker, until: now + longestStayMs });
      return true;
    }
    if (this.awaited.delete(connection)) endTime(connection);
    return false;
  }

  sweep(): void {
    const now = this.options.now();
    for (const connection of this.awaited.keys()) {
      if (!this.isAwaited(connection)) this.awaited.delete(connection);
      else if (connection.staysUntil <= now) this.end(connection);
    }
  }

  /** Its worker may have died meanwhile, or be the right one again. */
  private isAwaited(connection: Connection): boolean {
    const { worker, phase } = connection;
    return phase === "pinned" && this.awaited.get(connection)?.worker === worker && this.options.isToMove(connection);
  }

  private end(connection: Connection): void {
    const isAwaited = this.isAwaited(connection);
    this.awaited.delete(connection);
    if (!isAwaited) return;
    endTime(connection);
    this.options.move(connection);
  }
}

function drainEndOf({ worker }: Connection): number {
  return (worker?.drainsSince ?? Number.POSITIVE_INFINITY) + drainStayMs;
}

/** Its time is up. Not where it has said that its stay is over: it may ask for the next one before it hears that it is to move. */
function endTime(connection: Connection): void {
  if (connection.staysUntil > 0) connection.staysUntil = hasStayed;
}
