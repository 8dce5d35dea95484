// The live dashboard: hears what members say of themselves while somebody looks, and tells it all viewers once a second. While nobody
// looks it hears nothing, keeps nothing and costs nothing.

import type { Announcement, GatewayHello } from "../../protocol/membership.ts";
import { Fleet } from "./fleet.ts";
import { Samples, snapshotOf } from "./snapshot.ts";
import { type EventStream, eventText, Viewers } from "./viewers.ts";

const everyMs = 1_000;
/** Who has just been asked says hello meanwhile. */
const firstMs = 100;
/** A page that is loaded again finds what the charts had. */
const lingerMs = 10_000;
/** How soon a browser comes again once its stream has ended. */
const retryMs = 1_000;

export interface DashboardOptions {
  readonly hello: () => GatewayHello;
  readonly hasNats: () => boolean;
  /** Tells of what members say to everybody, until what it returns is called. */
  readonly listen: (listener: (announcement: Announcement) => void) => () => void;
  /** Has everybody say hello now. */
  readonly ask: () => void;
  readonly onBug: (error: unknown) => void;
}

export class Dashboard {
  readonly viewers = new Viewers();
  private readonly options: DashboardOptions;
  private readonly fleet = new Fleet(() => performance.now());
  private readonly samples = new Samples();
  private hadNats = true;
  private latest: string | undefined;
  /** What ends the watch; undefined: nobody looks. */
  private end: (() => void) | undefined;
  private ending: NodeJS.Timeout | undefined;

  constructor(options: DashboardOptions) {
    this.options = options;
  }

  /** Somebody looks, until `leave`. There must be room: see Viewers. */
  join(stream: EventStream): void {
    clearTimeout(this.ending);
    if (this.end === undefined) this.begin();
    stream.write(`retry: ${retryMs}\n\n${eventText("history", this.samples.all)}${this.latest ?? ""}`);
    this.viewers.add(stream);
  }

  leave(stream: EventStream): void {
    this.viewers.remove(stream);
    if (this.viewers.size > 0 || this.end === undefined) return;
    clearTimeout(this.ending);
    this.ending = setTimeout(() => this.end?.(), lingerMs);
  }

  private begin(): void {
    const stop = this.options.listen((announcement) => this.fleet.hear(announcement));
    const first = setTimeout(() => this.tick(), firstMs);
    const ticking = setInterval(() => this.tick(), everyMs);
    this.hadNats = this.options.hasNats();
    this.options.ask();
    this.end = () => {
      stop();
      clearTimeout(first);
      clearInterval(ticking);
      this.fleet.clear();
      this.samples.clear();
      this.latest = undefined;
      this.end = undefined;
    };
  }

  /** A bug here must not end what serves clients. */
  private tick(): void {
    try {
      this.tell();
    } catch (error) {
      this.options.onBug(error);
    }
  }

  private tell(): void {
    const { hello, hasNats, ask } = this.options;
    const isHeard = hasNats();
    if (isHeard && !this.hadNats) {
      this.fleet.excuse();
      ask();
    }
    this.hadNats = isHeard;
    if (isHeard) this.fleet.sweep();
    else this.fleet.excuse();
    const own = hello();
    this.fleet.hear(own);
    const snapshot = snapshotOf(this.fleet, own, { at: Date.now(), hasNats: isHeard });
    this.samples.add(snapshot);
    this.latest = eventText("snapshot", snapshot);
    this.viewers.send(this.latest);
  }
}
