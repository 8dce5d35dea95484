// Clients that read more slowly than they are sent to: what waits for all of them together is bounded, and so is the time that
// something may wait for one of them without a pause. Their own bound is BACKPRESSURE_BYTES, which uWebSockets.js keeps. Pure.

import type { Connection, Guest } from "./connection.ts";

export interface SlowClientLimits {
  /** What may wait for all of them. */
  readonly totalBytes: number;
  readonly waitMs: number;
}

export interface SlowClientsOptions {
  /** By slot. */
  readonly connections: ReadonlyArray<Connection | undefined>;
  readonly now: () => number;
  readonly limits: SlowClientLimits;
  /** Its socket is to be closed at once, so that nothing waits for it any more. */
  readonly onTooSlow: (client: Guest, code: "backpressure.total" | "backpressure.tooLong") => void;
}

/** So many are asked in one sweep, about half a millisecond; those that are known to be slow besides. */
const askedAtOnce = 10_000;

export class SlowClients {
  /** What waits for all of them, as of the last sweep. */
  bytes = 0;
  private readonly options: SlowClientsOptions;
  private readonly waiting = new Map<Guest, { since: number; bytes: number }>();
  private next = 0;

  constructor(options: SlowClientsOptions) {
    this.options = options;
  }

  /** Clients for which something waits. */
  get size(): number {
    return this.waiting.size;
  }

  /** Something waits for a client that is no connection of this gateway. */
  notice(client: Guest): void {
    if (!this.waiting.has(client)) this.waiting.set(client, { since: this.options.now(), bytes: 0 });
  }

  /** To be called several times a second. */
  sweep(): void {
    const { connections, limits, now, onTooSlow } = this.options;
    const at = now();
    for (let asked = Math.min(askedAtOnce, connections.length); asked > 0; asked--) {
      if (this.next >= connections.length) this.next = 0;
      const connection = connections[this.next++];
      if (connection?.socket !== undefined && connection.socket.waitingBytes > 0 && !this.waiting.has(connection)) {
        this.waiting.set(connection, { since: at, bytes: 0 });
      }
    }
    this.bytes = 0;
    for (const [client, slow] of this.waiting) {
      slow.bytes = client.socket?.waitingBytes ?? 0;
      // For how long one may be away is its handler's to say.
      if (client.socket?.isAway === true) slow.since = at;
      if (slow.bytes === 0) this.waiting.delete(client);
      else if (at - slow.since >= limits.waitMs) {
        this.waiting.delete(client);
        onTooSlow(client, "backpressure.tooLong");
      } else this.bytes += slow.bytes;
    }
    if (this.bytes > limits.totalBytes) this.closeSlowest(limits.totalBytes);
  }

  // The one for which most waits first.
  private closeSlowest(totalBytes: number): void {
    for (const [client, { bytes }] of [...this.waiting].sort(([, a], [, b]) => b.bytes - a.bytes)) {
      if (this.bytes <= totalBytes) return;
      this.bytes -= bytes;
      this.waiting.delete(client);
      this.options.onTooSlow(client, "backpressure.total");
    }
  }
}
