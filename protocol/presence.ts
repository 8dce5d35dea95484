// What a member of the installation says to everybody: its hello, again and again, and soon where others wait for what has changed;
// whatever else there is to say; and its last word.

import type { Bus } from "./bus.ts";
import { type Announcement, encodeAnnouncement, heartbeatMs } from "./membership.ts";

/** How soon others are told of what they wait for. */
const soonMs = 20;
/** For so long after a silence, others may still say that they have given this member up. */
const forgottenMs = 10_000;

export interface PresenceOptions {
  readonly id: string;
  readonly bus: Pick<Bus, "connected" | "publish">;
  /** Where members of its kind speak to everybody. */
  readonly subjects: () => readonly string[];
  readonly now: () => number;
  readonly hello: () => Announcement;
  /** What others wait for and nobody announces: another value is told soon, not with the next heartbeat. */
  readonly stage?: () => string;
  readonly limits?: {
    /** Silent for longer, this member may have been given up. */
    readonly fenceMs: number;
  };
}

export class Presence {
  private readonly options: PresenceOptions;
  private readonly timers: NodeJS.Timeout[] = [];
  private soon: NodeJS.Timeout | undefined;
  private toldStage: string | undefined;
  /** When this member last spoke, and when it last did so after a silence so long that others may have given it up. */
  private saidAt: number;
  private silentUntil = Number.NEGATIVE_INFINITY;
  private phase: "absent" | "present" | "left" = "absent";

  constructor(options: PresenceOptions) {
    this.options = options;
    this.saidAt = options.now();
  }

  /** It has said hello, and not its last word. */
  get isPresent(): boolean {
    return this.phase === "present";
  }

  /** It has said its last word. */
  get hasLeft(): boolean {
    return this.phase === "left";
  }

  /** Others may have given it up for its silence. */
  get mayBeForgotten(): boolean {
    const now = this.options.now();
    return this.isLong(now - this.saidAt) || now - this.silentUntil < forgottenMs;
  }

  /** Asks who is there, and says hello from now on. */
  begin(): void {
    const { stage } = this.options;
    this.phase = "present";
    this.say({ kind: "ask" });
    this.timers.push(setInterval(() => this.announce(), heartbeatMs));
    if (stage !== undefined) this.timers.push(setInterval(() => stage() !== this.toldStage && this.announce(), soonMs));
    this.announce();
  }

  /** Says hello. */
  announce(): void {
    clearTimeout(this.soon);
    this.soon = undefined;
    this.toldStage = this.options.stage?.();
    this.say(this.options.hello());
  }

  /** Something in the hello has changed that others wait for: what changes together is told once. */
  announceSoon(): void {
    if (this.phase === "present") this.soon ??= setTimeout(() => this.announce(), soonMs);
  }

  /** Nothing before `begin`, and nothing after the last word. */
  say(announcement: Announcement): void {
    if (this.phase !== "present") return;
    const { bus, subjects } = this.options;
    if (bus.connected) {
      const now = this.options.now();
      if (this.isLong(now - this.saidAt)) this.silentUntil = now;
      this.saidAt = now;
    }
    const bytes = encodeAnnouncement(announcement);
    for (const subject of subjects()) bus.publish(subject, bytes);
  }

  /** The last word: whoever heard more of this member would think that it is there again. */
  leave(): void {
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.soon);
    this.say({ kind: "gone", id: this.options.id, reason: "bye" });
    this.phase = "left";
  }

  private isLong(silenceMs: number): boolean {
    return silenceMs > (this.options.limits?.fenceMs ?? Number.POSITIVE_INFINITY);
  }
}
