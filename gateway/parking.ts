// What waits in the gateway while no worker may take it: counted, and held within bounds per connection and in total. Pure.
//
// A connection's bounds are of its messages and of their bytes. The one of all together is of memory: small messages must not
// make it many times as large as it may be. Timers that have come due have a bound of their own, TIMERS: they take no room from messages.

import type { ErrorCode } from "../protocol/errors.ts";
import { toWorker } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionEvent } from "./event.ts";

/**
 * What an event takes beside its bytes: itself, its payload's object, its place in the list. Measured with Node 20: 330 to 390 where the
 * payload is so small that it lies in JavaScript's heap (64 bytes), 530 to 540 where it has memory of its own.
 */
export const parkedEventBytes = 512;

export interface ParkingLimits {
  readonly parkedMessages: number;
  readonly parkedBytes: number;
  readonly parkedTotalBytes: number;
}

export class Parking {
  /** Of all connections, without timers. */
  events = 0;
  /** Of all connections, that have come due. */
  timers = 0;
  private payloadBytes = 0;
  /** Of plain requests, as long as they are not answered. */
  private bodyBytes = 0;
  private readonly limits: ParkingLimits;

  constructor(limits: ParkingLimits) {
    this.limits = limits;
  }

  /** What all of them take, and the bodies of requests. */
  get bytes(): number {
    return this.payloadBytes + this.events * parkedEventBytes + this.bodyBytes;
  }

  /** Counts an event that is among the connection's, and not with its worker. */
  add(connection: Connection, event: ConnectionEvent): void {
    if (event.type === toWorker.timer) return this.countTimer(connection, 1);
    connection.parkedBytes += event.length;
    this.payloadBytes += event.length;
    this.events++;
  }

  remove(connection: Connection, event: ConnectionEvent): void {
    if (event.type === toWorker.timer) return this.countTimer(connection, -1);
    connection.parkedBytes -= event.length;
    this.payloadBytes -= event.length;
    this.events--;
  }

  /** A request's body is kept from now on. @returns false where there is no room for it: then it is not counted. */
  keepBody(bytes: number): boolean {
    if (this.bytes + bytes > this.limits.parkedTotalBytes) return false;
    this.bodyBytes += bytes;
    return true;
  }

  dropBody(bytes: number): void {
    this.bodyBytes -= bytes;
  }

  /** The bound that this connection's last event has passed, if it has. */
  passed(connection: Connection): ErrorCode | undefined {
    const { parked, parkedBytes, timers } = connection;
    const messages = parked - (timers?.waiting ?? 0);
    if (messages > this.limits.parkedMessages || parkedBytes > this.limits.parkedBytes) return "parked.tooMuch";
    return this.bytes > this.limits.parkedTotalBytes ? "parked.total" : undefined;
  }

  private countTimer({ timers }: Connection, more: number): void {
    this.timers += more;
    if (timers === undefined) return;
    timers.waiting += more;
    if (timers.owner !== undefined) timers.owner.timers += more;
  }
}
