// What other members of the installation say to everybody: each announcement goes to the parts that it is for.

import type { Logger } from "pino";
import type { Bus, BusSubscription } from "../protocol/bus.ts";
import { protocolVersion } from "../protocol/envelope.ts";
import { type Activation, type Announcement, decodeAnnouncement } from "../protocol/membership.ts";
import type { Presence } from "../protocol/presence.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { LostGateways } from "./lost-gateways.ts";
import type { PeerGateways } from "./peer-gateways.ts";
import type { Topics } from "./topics.ts";
import type { Workers } from "./workers.ts";

export interface AnnouncementsOptions {
  readonly bus: Pick<Bus, "subscribe">;
  /** The subject that all members share. */
  readonly subject: string;
  readonly dispatcher: Pick<Dispatcher, "activate">;
  readonly workers: Pick<Workers, "hear" | "gone">;
  readonly peers: Pick<PeerGateways, "hear">;
  readonly lostGateways: Pick<LostGateways, "hear">;
  readonly topics: Pick<Topics, "hear">;
  readonly presence: Pick<Presence, "announce">;
  readonly log: Pick<Logger, "info">;
}

export class Announcements {
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
    const { workers, peers, lostGateways, topics, presence } = this.options;
    peers.hear(announcement);
    topics.hear(announcement);
    lostGateways.hear(announcement);
    switch (announcement.kind) {
      case "worker":
        if (announcement.protocol !== protocolVersion) return;
        // First: it may be why the worker's onStart has ended.
        this.activate(announcement.activation);
        return workers.hear(announcement);
      case "ask":
        return presence.announce();
      case "activate":
      case "gateway":
        return this.activate(announcement.activation);
      case "gone":
        return workers.gone(announcement.id, announcement.reason);
    }
  }

  private activate(activation: Activation | undefined): void {
    const { dispatcher, presence, log } = this.options;
    if (activation === undefined || !dispatcher.activate(activation)) return;
    log.info({ release: activation.release, generation: activation.generation }, "release activated");
    presence.announce();
  }
}
