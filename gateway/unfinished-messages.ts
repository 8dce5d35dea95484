// Messages that begin and do not end. uWebSockets.js keeps what has come of a message, says nothing of it until it is whole, and takes each
// byte for a sign of life. So who has sent bytes, but nothing whole, for longer than an idle client may be silent is pinged, and closed
// where neither a pong nor a message comes within as long again. A frame that has begun lets no pong through. Pure.

import type { Connection } from "./connection.ts";

export interface UnfinishedMessagesOptions {
  /** By slot. */
  readonly connections: ReadonlyArray<Connection | undefined>;
  /** Between two sweeps. A process that stands still sweeps nothing, so its clients are not blamed for that. */
  readonly sweepMs: number;
  /** IDLE_TIMEOUT_MS. Read each time. */
  readonly idleTimeoutMs: () => number;
  readonly onUnfinished: (connection: Connection) => void;
}

/** So many are asked in one sweep, less than a millisecond. */
const askedAtOnce = 10_000;
/** So many are pinged in one sweep, and so closed in a later one: each takes a system call or more. */
const pingedAtOnce = 500;
/** uWebSockets.js keeps its time-outs to a few seconds, and closes those of which nothing at all is heard. */
const slackMs = 6_000;

export class UnfinishedMessages {
  private readonly options: UnfinishedMessagesOptions;
  /** Sweeps so far: a small number is cheaper to keep with each message than a time. */
  private sweeps = 0;
  private next = 0;
  /** When they were pinged, in sweeps; the first one first. Whoever answers stays in it for as long as he had time to. */
  private readonly pinged = new Map<Connection, number>();

  constructor(options: UnfinishedMessagesOptions) {
    this.options = options;
  }

  /** It has opened, or something whole has come: a message, a ping or a pong. */
  heard(connection: Connection): void {
    connection.lastSeenSweep = this.sweeps;
  }

  /** To be called every `sweepMs`. */
  sweep(): void {
    const { connections, sweepMs, idleTimeoutMs, onUnfinished } = this.options;
    const silent = Math.ceil((idleTimeoutMs() + slackMs) / sweepMs);
    this.sweeps++;
    for (let asked = Math.min(askedAtOnce, connections.length), pings = 0; asked > 0 && pings < pingedAtOnce; asked--) {
      if (this.next >= connections.length) this.next = 0;
      const connection = connections[this.next++];
      if (connection?.socket === undefined || this.sweeps - connection.lastSeenSweep <= silent || this.pinged.has(connection)) continue;
      this.pinged.set(connection, this.sweeps);
      connection.socket.ping();
      pings++;
    }
    for (const [connection, since] of this.pinged) {
      if (this.sweeps - since <= silent) break;
      this.pinged.delete(connection);
      if (connection.socket !== undefined && connection.lastSeenSweep < since) onUnfinished(connection);
    }
  }
}
