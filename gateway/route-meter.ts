// A ConnectionMeter of a connection whose route has `limits.messages`: others have no field for it, and look at the clock less often.

import { type MessageRate, useOne } from "../protocol/message-rate.ts";
import { ConnectionMeter } from "./connection-meter.ts";

class RouteMeter extends ConnectionMeter {
  private readonly rate: MessageRate;
  private usedUntil = 0;

  /** @param meter What has measured the connection so far: it goes on from there. */
  constructor(meter: ConnectionMeter, rate: MessageRate) {
    super(meter.room, meter.address, meter.user);
    this.continue(meter);
    this.rate = rate;
  }

  override get routeRate(): MessageRate {
    return this.rate;
  }

  override message(bytes: number): boolean {
    if (!super.message(bytes)) return false;
    const usedUntil = useOne(this.usedUntil, this.room.now(), this.rate);
    if (usedUntil === undefined) return this.pass("route messages");
    this.usedUntil = usedUntil;
    return true;
  }
}

/** What measures a connection from now on, where its route has this limit, or none. */
export function meterWith(meter: ConnectionMeter, rate: MessageRate | undefined): ConnectionMeter {
  const { routeRate } = meter;
  if (routeRate?.count === rate?.count && routeRate?.ms === rate?.ms) return meter;
  return rate === undefined ? meter.plain() : new RouteMeter(meter, rate);
}
