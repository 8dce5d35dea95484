// Work in open loop: so many messages a second, spread evenly over connections and time, and each one timed.

import type { Client } from "./client.ts";
import { lostEchoes } from "./echo.ts";
import { type Meter, stampNow } from "./meter.ts";
import type { Workload } from "./workload.ts";

const tickMs = 1;

export class Paced implements Workload {
  private readonly clients: readonly Client[];
  private readonly meter: Meter;
  /** Of all connections. */
  private readonly messagesPerMs: number;
  private timer: NodeJS.Timeout | undefined;

  /** @param rate Messages a second of each connection. */
  constructor(clients: readonly Client[], rate: number, meter: Meter) {
    this.clients = clients;
    this.meter = meter;
    this.messagesPerMs = (rate * clients.length) / 1000;
  }

  begin(): void {
    for (const client of this.clients) client.ears = { onMessage: (_, stamp) => this.meter.time(stamp), onRead: () => undefined };
    const startedAt = performance.now();
    let sent = 0;
    this.timer = setInterval(() => {
      const due = Math.floor((performance.now() - startedAt) * this.messagesPerMs);
      for (; sent < due; sent++) this.clients[sent % this.clients.length]?.send(1, stampNow());
    }, tickMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  lost(): number {
    return lostEchoes(this.clients);
  }
}
