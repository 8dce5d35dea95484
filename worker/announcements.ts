// What other members of the installation say to everybody: each announcement goes to the parts that it is for.

import type { Bus, BusSubscription } from "../protocol/bus.ts";
import { type Activation, type Announcement, decodeAnnouncement, laterActivation } from "../protocol/membership.ts";
import type { Presence } from "../protocol/presence.ts";
import type { Gateways } from "./gateways.ts";
import type { OnStart } from "./on-start.ts";
import type { StateCheck } from "./state-check.ts";

export interface AnnouncementsOptions {
  /** This worker's. */
  readonly id: string;
  readonly bus: Pick<Bus, "subscribe">;
  /** The subject that all members share. */
  readonly subject: string;
  readonly gateways: Pick<Gateways, "hear" | "lose">;
  readonly onStart: Pick<OnStart, "activated" | "hear" | "hearGateway" | "forget">;
  readonly stateCheck: Pick<StateCheck, "begin">;
  readonly presence: Pick<Presence, "announce">;
}

export class Announcements {
  /** The latest that was heard of. */
  activation: Activation | undefined;
  private readonly options: AnnouncementsOptions;
  private subscription: BusSubscription | undefined;

  constructor(options: AnnouncementsOptions) {
    this.options = options;
  }

  begin(): void {
    const { bus, subject } = this.options;
    this.subscription = bus.subscribe(subject, ({ payload }) => this.hear(decodeAnnouncement(payload)));
  }

  /** Hears nobody any more, and so answers nobody. */
  end(): void {
    this.subscription?.unsubscribe();
  }

  private hear(announcement: Announcement): void {
    const { id, gateways, onStart, stateCheck, presence } = this.options;
    switch (announcement.kind) {
      case "ask":
        return presence.announce();
      case "checkStates":
        if (announcement.worker === id) stateCheck.begin(announcement.number, announcement.gateways);
        return;
      case "gone":
        gateways.lose(announcement.id, announcement.reason, true);
        // It may be a worker's.
        return onStart.forget(announcement.id);
      case "activate":
        return this.activate(announcement.activation);
      case "gateway":
        gateways.hear(announcement.id);
        onStart.hearGateway(announcement);
        return this.activate(announcement.activation);
      case "worker":
        this.activate(announcement.activation);
        return onStart.hear(announcement);
    }
  }

  private activate(activation: Activation | undefined): void {
    this.activation = laterActivation(this.activation, activation);
    if (this.activation !== undefined) this.options.onStart.activated(this.activation);
  }
}
