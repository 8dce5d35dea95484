// What waits in the gateway while no worker may take it: counted, and held within bounds per connection and in total. Pure.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionEvent } from "./event.ts";

export interface ParkingLimits {
  readonly parkedMessages: number;
  readonly parkedBytes: number;
  readonly parkedTotalBytes: number;
}

export class Parking {
  /** Events of all connections. */
  events = 0;
  bytes = 0;
  private readonly limits: ParkingLimits;

  constructor(limits: ParkingLimits) {
    this.limits = limits;
  }

  /** Counts an event that is among the connection's, and not with its worker. */
  add(connection: Connection, event: ConnectionEvent): void {
    connection.parkedBytes += event.length;
    this.bytes += event.length;
    this.events++;
  }

  remove(connection: Connection, event: ConnectionEvent): void {
    connection.parkedBytes -= event.length;
    this.bytes -= event.length;
    this.events--;
  }

  /** The bound that this connection's last event has passed, if it has. */
  passed(connection: Connection): ErrorCode | undefined {
    if (connection.parked > this.limits.parkedMessages || connection.parkedBytes > this.limits.parkedBytes) return "parked.tooMuch";
    return this.bytes > this.limits.parkedTotalBytes ? "parked.total" : undefined;
  }
}
