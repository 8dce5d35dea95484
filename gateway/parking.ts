// What waits in the gateway while no worker may take it: counted, and held within bounds per connection, address and in total. Pure.
//
// A connection's bounds are of its messages and of their bytes. The one of all together is of memory: small messages must not
// make it many times as large as it may be. An address has a share of that only, so that it cannot get the messages of others refused.
// Timers that have come due have a bound of their own, TIMERS: they take no room from messages.

import type { ErrorCode } from "../protocol/errors.ts";
import { toWorker } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionEvent } from "./event.ts";

/**
 * What an event takes beside its bytes: itself, its payload's object, its place in the list. Measured with Node 20: 330 to 390 where the
 * payload is so small that it lies in JavaScript's heap (64 bytes), 530 to 540 where it has memory of its own.
 */
export const parkedEventBytes = 512;

/** Of what all may take together, what one owner may. But it may always have as much as one connection. */
const ownerShare = 1 / 4;

/** Whose events and bodies they are: an address. */
export interface ParkingOwner {
  /** What all of its events take, and its bodies. */
  parkedBytes: number;
  /** It may take as much as there is. */
  readonly isExempt: boolean;
}

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
    if (connection.meter !== undefined) connection.meter.address.parkedBytes += event.length + parkedEventBytes;
  }

  remove(connection: Connection, event: ConnectionEvent): void {
    if (event.type === toWorker.timer) return this.countTimer(connection, -1);
    connection.parkedBytes -= event.length;
    this.payloadBytes -= event.length;
    this.events--;
    if (connection.meter !== undefined) connection.meter.address.parkedBytes -= event.length + parkedEventBytes;
  }

  /** A request's body is kept from now on. @returns false where there is no room for it: then it is not counted. */
  keepBody(bytes: number, owner?: ParkingOwner): boolean {
    if (this.isBeyond(bytes, owner)) return false;
    this.bodyBytes += bytes;
    if (owner !== undefined) owner.parkedBytes += bytes;
    return true;
  }

  dropBody(bytes: number, owner?: ParkingOwner): void {
    this.bodyBytes -= bytes;
    if (owner !== undefined) owner.parkedBytes -= bytes;
  }

  /** The bound that this connection's last event has passed, if it has. */
  passed(connection: Connection): ErrorCode | undefined {
    const { parked, parkedBytes, timers, meter } = connection;
    const messages = parked - (timers?.waiting ?? 0);
    if (messages > this.limits.parkedMessages || parkedBytes > this.limits.parkedBytes) return "parked.tooMuch";
    return this.isBeyond(0, meter?.address) ? "parked.total" : undefined;
  }

  /** Whether all together, or this owner, would have too much with so many bytes more. */
  private isBeyond(more: number, owner: ParkingOwner | undefined): boolean {
    const { parkedBytes, parkedTotalBytes } = this.limits;
    if (this.bytes + more > parkedTotalBytes) return true;
    if (owner === undefined || owner.isExempt) return false;
    return owner.parkedBytes + more > Math.max(parkedTotalBytes * ownerShare, parkedBytes);
  }

  private countTimer({ timers }: Connection, more: number): void {
    this.timers += more;
    if (timers === undefined) return;
    timers.waiting += more;
    if (timers.owner !== undefined) timers.owner.timers += more;
  }
}
