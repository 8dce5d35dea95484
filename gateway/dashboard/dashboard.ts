// The live dashboard: hears what members say of themselves while somebody looks, what workers have logged as errors, and what deploys are
// doing, and tells all viewers once a second. While nobody looks it hears nothing, keeps nothing and costs nothing.

import type { LoggedError } from "../../process/scrape.ts";
import type { DeployProgress } from "../../protocol/deploy-progress.ts";
import type { Announcement, GatewayHello } from "../../protocol/membership.ts";
import { Fleet } from "./fleet.ts";
import { KnownDeploys } from "./known-deploys.ts";
import { KnownErrors } from "./known-errors.ts";
import { Samples, snapshotOf } from "./snapshot.ts";
import { type EventStream, eventText, Viewers } from "./viewers.ts";

const everyMs = 1_000;
/** Who has just been asked says hello meanwhile. */
const firstMs = 100;
/** A page that is loaded again finds what the charts had. */
const lingerMs = 10_000;
/** How soon a browser comes again once its stream has ended. */
const retryMs = 1_000;
/** A step of a deploy is seen so soon, with those that follow at once. */
const stepMs = 150;

/** Workers are asked for their errors no more often. */
const askedAgainMs = 100;

export interface DashboardListener {
  /** What members say to everybody. */
  readonly hear: (announcement: Announcement) => void;
  readonly hearDeploy: (progress: DeployProgress) => void;
  readonly hearErrors: (worker: string, errors: readonly LoggedError[]) => void;
}

export interface DashboardOptions {
  readonly hello: () => GatewayHello;
  readonly hasNats: () => boolean;
  /** Tells the listener, until what it returns is called. */
  readonly listen: (listener: DashboardListener) => () => void;
  /** Has everybody say hello now, and whoever deploys tell of it. */
  readonly ask: () => void;
  /** Has workers tell their errors. @param after By worker, the number of its last one that is known. */
  readonly askErrors: (after: Readonly<Record<string, number>>) => void;
  readonly onBug: (error: unknown) => void;
}

export class Dashboard {
  readonly viewers = new Viewers();
  private readonly options: DashboardOptions;
  private readonly fleet = new Fleet(() => performance.now());
  private readonly samples = new Samples();
  private readonly errors = new KnownErrors();
  private readonly deploys = new KnownDeploys();
  private hasNewErrors = false;
  private askedErrorsAt = Number.NEGATIVE_INFINITY;
  private hadNats = true;
  private latest = "";
  private telling: NodeJS.Timeout | undefined;
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
    const events = [eventText("history", this.samples.all), eventText("deploys", this.deploys.all), eventText("errors", this.errors.all)];
    stream.write(`retry: ${retryMs}\n\n${events.join("")}${this.latest}`);
    this.viewers.add(stream);
  }

  leave(stream: EventStream): void {
    this.viewers.remove(stream);
    if (this.viewers.size > 0 || this.end === undefined) return;
    clearTimeout(this.ending);
    this.ending = setTimeout(() => this.end?.(), lingerMs);
  }

  private begin(): void {
    const stop = this.options.listen({
      hear: (announcement) => this.hear(announcement),
      hearDeploy: (progress) => this.hearDeploy(progress),
      hearErrors: (id, errors) => {
        this.hasNewErrors = this.errors.hear({ id, release: this.fleet.release(id) }, errors) || this.hasNewErrors;
      },
    });
    const first = setTimeout(() => this.tick(), firstMs);
    const ticking = setInterval(() => this.tick(), everyMs);
    this.hadNats = this.options.hasNats();
    this.options.ask();
    this.end = () => {
      stop();
      clearTimeout(first);
      clearInterval(ticking);
      clearTimeout(this.telling);
      this.telling = undefined;
      for (const part of [this.fleet, this.samples, this.errors, this.deploys]) part.clear();
      this.latest = "";
      this.end = undefined;
    };
  }

  private hear(announcement: Announcement): void {
    const { fleet, errors } = this;
    if (announcement.kind === "gone" && announcement.reason === "exited" && fleet.hasWorker(announcement.id)) {
      errors.died({ id: announcement.id, release: fleet.release(announcement.id) }, Date.now());
      this.hasNewErrors = true;
    }
    const hasThrown = announcement.kind === "worker" && (announcement.counts?.thrown ?? 0) > fleet.thrown(announcement.id);
    fleet.hear(announcement);
    // At once: a release that throws is soon rolled back, and its workers end.
    if (hasThrown) this.askErrors();
  }

  private askErrors(): void {
    const now = performance.now();
    if (now - this.askedErrorsAt < askedAgainMs) return;
    this.askedErrorsAt = now;
    this.options.askErrors(this.errors.known);
  }

  private hearDeploy(progress: DeployProgress): void {
    this.deploys.hear(progress);
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.viewers.send(eventText("deploys", this.deploys.all));
    }, stepMs);
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
    this.viewers.send(this.hasNewErrors ? eventText("errors", this.errors.all) + this.latest : this.latest);
    this.hasNewErrors = false;
    this.askErrors();
  }
}
