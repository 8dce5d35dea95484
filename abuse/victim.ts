// The victim, as seen from here.

import { Child } from "../testbed/node-process.ts";
import type { Latency } from "./victim/latency.ts";
import type { Order, Report, VictimOutcome } from "./victim/orders.ts";

export class Victim {
  private readonly child: Child<Report, Order>;

  private constructor(url: string) {
    this.child = new Child("abuse/victim/main.ts", [url]);
  }

  /** Resolves when every connection is open, and echoes. */
  static async open(url: string): Promise<Victim> {
    const victim = new Victim(url);
    await victim.child.hears(({ report }) => report === "open" || undefined);
    return victim;
  }

  /** Of the echoes since the last lap. */
  lap(): Promise<Latency> {
    const heard = this.child.hears((report) => (report.report === "lap" ? report.latency : undefined));
    this.child.tell("lap");
    return heard;
  }

  /** Sends no more, and waits for all that is owed. */
  settle(): Promise<VictimOutcome> {
    const heard = this.child.hears((report) => (report.report === "settled" ? report.outcome : undefined));
    this.child.tell("settle");
    return heard;
  }

  end(): Promise<void> {
    return this.child.end();
  }
}
