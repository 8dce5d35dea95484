// A load process, as seen from here: it opens its connections, is told to begin, and tells what came back.

import { Child } from "../testbed/node-process.ts";
import type { Event, Job, Opening, Order, Outcome } from "./load/job.ts";

export class Load {
  /** Its connections are open. */
  readonly opened: Promise<Opening>;
  /** What it counts counts from now on. */
  readonly measuring: Promise<true>;
  readonly measured: Promise<true>;
  readonly finished: Promise<Outcome>;
  private readonly child: Child<Event, Order>;

  constructor(job: Job) {
    this.child = new Child("bench/load/main.ts", [JSON.stringify(job)]);
    this.opened = this.hears((event) => (event.event === "open" ? event : undefined));
    this.measuring = this.hears(({ event }) => event === "measuring" || undefined);
    this.measured = this.hears(({ event }) => event === "measured" || undefined);
    this.finished = this.hears((event) => (event.event === "finished" ? event.outcome : undefined));
  }

  begin(): void {
    this.child.tell("begin");
  }

  /** Where its job names no time. */
  stop(): void {
    this.child.tell("stop");
  }

  end(): Promise<void> {
    return this.child.end();
  }

  private hears<T>(take: (event: Event) => T | undefined): Promise<T> {
    const heard = this.child.hears(take);
    // Whoever waits for an earlier event is told, too.
    heard.catch(() => undefined);
    return heard;
  }
}
