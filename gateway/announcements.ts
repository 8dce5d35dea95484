// What other members of the installation say to everybody: each announcement goes to the parts that it is for.

import type { Logger } from "pino";
import type { Bus, BusSubscription } from "../protocol/bus.ts";
import { protocolVersion } from "../protocol/envelope.ts";
import { type Activation, type Announcement, decodeAnnouncement } from "../protocol/membership.ts";
import type { Presence } from "../protocol/presence.ts";
import type { Subjects } from "../protocol/subjects.ts";
import { decodeWorkerAnnouncement, type WorkerAnnouncement } from "../protocol/worker-announcement.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { LostGateways } from "./lost-gateways.ts";
import type { PeerGateways } from "./peer-gateways.ts";
import type { Topics } from "./topics.ts";
import type { Workers } from "./workers.ts";

export interface AnnouncementsOptions {
  readonly bus: Pick<Bus, "subscribe">;
  readonly subjects: Pick<Subjects, "members" | "membersFromWorkers">;
  readonly dispatcher: Pick<Dispatcher, "activate">;
  readonly workers: Pick<Workers, "hear" | "gone">;
  readonly peers: Pick<PeerGateways, "hear">;
  readonly lostGateways: Pick<LostGateways, "hear">;
  readonly topics: Pick<Topics, "hear">;
  readonly presence: Pick<Presence, "announce" | "isPresent">;
  readonly log: Pick<Logger, "info">;
}

export class Announcements {
  private readonly options: AnnouncementsOptions;
  private readonly listeners = new Set<(announcement: Announcement) => void>();
  private subscriptions: BusSubscription[] = [];

  constructor(options: AnnouncementsOptions) {
    this.options = options;
  }

  begin(): void {
    const { bus, subjects } = this.options;
    this.subscriptions = [
      bus.subscribe(subjects.members, ({ payload }) => {
        const announcement = decodeAnnouncement(payload);
        this.hear(announcement);
        this.tell(announcement);
      }),
      bus.subscribe(subjects.membersFromWorkers, ({ payload }) => {
        const announcement = decodeWorkerAnnouncement(payload);
        this.hearWorker(announcement);
        this.tell(announcement);
      }),
    ];
  }

  /** Tells of each announcement of the others, once those have heard it that it is for. @returns what ends that. */
  listen(listener: (announcement: Announcement) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Hears nobody any more, and so answers nobody. */
  end(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  /** An operator's word, or a gateway's that repeats it. */
  activate(activation: Activation): void {
    const { dispatcher, presence, log } = this.options;
    if (!dispatcher.activate(activation)) return;
    log.info({ release: activation.release, generation: activation.generation }, "release activated");
    presence.announce();
  }

  private tell(announcement: Announcement): void {
    for (const listener of this.listeners) listener(announcement);
  }

  private hear(announcement: Announcement): void {
    const { peers, lostGateways, topics } = this.options;
    peers.hear(announcement);
    topics.hear(announcement);
    lostGateways.hear(announcement);
    switch (announcement.kind) {
      case "worker":
      case "ask":
      case "gone":
        return this.hearWorker(announcement);
      case "activate":
      case "gateway":
        if (announcement.activation !== undefined) this.activate(announcement.activation);
        return;
    }
  }

  /** Which release is active is not for workers to say: what they repeat of it is for other workers' onStart. */
  private hearWorker(announcement: WorkerAnnouncement): void {
    const { workers, presence } = this.options;
    switch (announcement.kind) {
      case "worker":
        // Not before our own hello: a worker that hears a gateway's first batch without it has to take the gateway for an old one. They are asked then.
        return announcement.protocol === protocolVersion && presence.isPresent ? workers.hear(announcement) : undefined;
      case "ask":
        return presence.announce();
      case "gone":
        return workers.gone(announcement.id, announcement.reason);
    }
  }
}
