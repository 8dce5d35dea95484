// The victim, as seen from here.

import { Child } from "../testbed/node-process.ts";
import type { Latency } from "./victim/latency.ts";
import type { Order, Report, VictimOutcome } from "./victim/orders.ts";

export class Victim {
  private readonly child: Child;

  private constructor(url: string) {
    this.child = new Child("abuse/victim/main.ts", [url]);
  }

  /** Resolves when every connection is open, and echoes. */
  static async open(url: string): Promise<Victim> {
    const victim = new Victim(url);
    await victim.hears((report) => (report.report === "open" ? true : undefined));
    return victim;
  }

  /** Of the echoes since the last lap. */
  lap(): Promise<Latency> {
    const heard = this.hears((report) => (report.report === "lap" ? report.latency : undefined));
    this.tell("lap");
    return heard;
  }

  /** Sends no more, and waits for all that is owed. */
  settle(): Promise<VictimOutcome> {
    const heard = this.hears((report) => (report.report === "settled" ? report.outcome : undefined));
    this.tell("settle");
    return heard;
  }

  end(): Promise<void> {
    return this.child.end();
  }

  private tell(order: Order): void {
    this.child.tell(order);
  }

  private hears<T>(take: (report: Report) => T | undefined): Promise<T> {
    return this.child.hears((message) => {
      const report = message as Report;
      if (report.report === "failed") throw new Error(`the victim could not connect: ${report.why}`);
      return take(report);
    });
  }
}
