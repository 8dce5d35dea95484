// What this gateway says of itself to everybody: its hello, again and again, and at once where a deploy waits for what has changed.

import type { Bus } from "../protocol/bus.ts";
import { type Announcement, encodeAnnouncement, type GatewayHello, heartbeatMs } from "../protocol/membership.ts";

/** Within so long after its silence, workers have told a gateway that they know it no more. */
const forgottenMs = 10_000;
const lookMs = 20;

export interface PresenceOptions {
  readonly bus: Bus;
  /** The subject that all members share. */
  readonly subject: string;
  readonly now: () => number;
  readonly hello: () => GatewayHello;
  /** How far the hand-over is: another value is news. */
  readonly stage: () => string;
  readonly limits: {
    /** Silent for longer, a gateway may have been given up. */
    readonly fenceMs: number;
  };
}

export class Presence {
  /** Something in the hello has changed that others wait for. */
  isChanged = false;
  private readonly options: PresenceOptions;
  private readonly timers: NodeJS.Timeout[] = [];
  private toldStage = "";
  /** When this gateway last spoke, and when it last did so after a silence so long that workers may have given it up. */
  private saidAt: number;
  private silentUntil = Number.NEGATIVE_INFINITY;

  constructor(options: PresenceOptions) {
    this.options = options;
    this.saidAt = options.now();
  }

  /** A worker that knows this gateway no more has run onClose for what it had of it, if that was for silence. */
  get mayBeForgotten(): boolean {
    const now = this.options.now();
    return now - this.saidAt > this.options.limits.fenceMs || now - this.silentUntil < forgottenMs;
  }

  begin(): void {
    this.say({ kind: "ask" });
    this.timers.push(
      setInterval(() => this.announce(), heartbeatMs),
      setInterval(() => this.announceChanges(), lookMs),
    );
    this.announce();
  }

  /** Says nothing more by itself. */
  end(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  announce(): void {
    this.isChanged = false;
    this.toldStage = this.options.stage();
    this.say(this.options.hello());
  }

  say(announcement: Announcement): void {
    const { bus, subject, limits } = this.options;
    const now = this.options.now();
    if (bus.connected) {
      if (now - this.saidAt > limits.fenceMs) this.silentUntil = now;
      this.saidAt = now;
    }
    bus.publish(subject, encodeAnnouncement(announcement));
  }

  // A deploy waits for these: they are told at once, not with the next heartbeat.
  private announceChanges(): void {
    if (this.isChanged || this.options.stage() !== this.toldStage) this.announce();
  }
}
