// What other members of the installation say to everybody: each announcement goes to the parts that it is for.

import type { Bus, BusSubscription } from "../protocol/bus.ts";
import { type Activation, type Announcement, decodeAnnouncement, laterActivation } from "../protocol/membership.ts";
import type { Presence } from "../protocol/presence.ts";
import type { Subjects } from "../protocol/subjects.ts";
import { decodeWorkerAnnouncement, type WorkerAnnouncement } from "../protocol/worker-announcement.ts";
import type { Gateways } from "./gateways.ts";
import type { OnStart } from "./on-start.ts";
import type { Speech } from "./speech.ts";
import type { StateCheck } from "./state-check.ts";
import type { Tasks } from "./tasks.ts";

export interface AnnouncementsOptions {
  /** This worker's. */
  readonly id: string;
  readonly bus: Pick<Bus, "subscribe">;
  readonly subjects: Pick<Subjects, "members" | "membersFromWorkers">;
  readonly gateways: Pick<Gateways, "hearHello" | "lose">;
  readonly speech: Pick<Speech, "hear" | "forget">;
  readonly onStart: Pick<OnStart, "activated" | "hear" | "hearGateway" | "forget">;
  readonly tasks: Pick<Tasks, "activated" | "gone">;
  readonly stateCheck: Pick<StateCheck, "begin">;
  readonly presence: Pick<Presence, "announce">;
}

export class Announcements {
  /** The latest that was heard of. */
  activation: Activation | undefined;
  private readonly options: AnnouncementsOptions;
  private subscriptions: BusSubscription[] = [];

  constructor(options: AnnouncementsOptions) {
    this.options = options;
  }

  begin(): void {
    const { bus, subjects } = this.options;
    this.subscriptions = [
      bus.subscribe(subjects.members, ({ payload }) => this.hear(decodeAnnouncement(payload))),
      bus.subscribe(subjects.membersFromWorkers, ({ payload }) => this.hearWorker(decodeWorkerAnnouncement(payload))),
    ];
  }

  /** Hears nobody any more, and so answers nobody. */
  end(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  private hear(announcement: Announcement): void {
    const { id, gateways, speech, onStart, stateCheck } = this.options;
    switch (announcement.kind) {
      case "ask":
      case "worker":
        return this.hearWorker(announcement);
      case "checkStates":
        if (announcement.worker === id) stateCheck.begin(announcement.number, announcement.gateways);
        return;
      case "gone":
        gateways.lose(announcement.id, announcement.reason, true);
        speech.forget(announcement.id);
        // It may be a worker's.
        return this.hearWorker(announcement);
      case "activate":
        return this.activate(announcement.activation);
      case "gateway":
        speech.hear(announcement);
        gateways.hearHello(announcement);
        onStart.hearGateway(announcement);
        return this.activate(announcement.activation);
    }
  }

  /** Which release is active is not for workers to say. */
  private hearWorker(announcement: WorkerAnnouncement): void {
    const { onStart, tasks, presence } = this.options;
    switch (announcement.kind) {
      case "ask":
        return presence.announce();
      case "gone":
        tasks.gone(announcement.id);
        return onStart.forget(announcement.id);
      case "worker":
        return onStart.hear(announcement);
    }
  }

  private activate(activation: Activation | undefined): void {
    this.activation = laterActivation(this.activation, activation);
    if (this.activation === undefined) return;
    this.options.onStart.activated(this.activation);
    this.options.tasks.activated(this.activation);
  }
}
