// Finds workers that hang: alive, but silent. Pure: what members say and the time are handed in.
//
// Only time in which a worker could have been heard counts against it: while NATS is there, others are heard, and the
// supervisor itself was not standing still.

import type { Announcement } from "../protocol/membership.ts";

/** A tick that comes later than this found the supervisor, or the whole machine, standing still. */
const latestTickMs = 2_500;

export interface WatchdogOptions {
  /** This machine's name, as hellos give it: process ids are its own. */
  readonly host: string;
  /** How long a worker may be silent. */
  readonly limitMs: number;
}

export class Watchdog {
  private readonly options: WatchdogOptions;
  /** For how long each worker of this machine has been silent, by process id. */
  private readonly silentMs = new Map<number, number>();
  private readonly pids = new Map<string, number>();
  /** Members that were heard since the last tick. */
  private readonly heard = new Set<string>();
  private tickedAtMs: number | undefined;

  constructor(options: WatchdogOptions) {
    this.options = options;
  }

  hear(announcement: Announcement): void {
    if (announcement.kind === "gone") this.forget(announcement.id);
    if (announcement.kind !== "worker" && announcement.kind !== "gateway") return;
    this.heard.add(announcement.id);
    if (announcement.kind === "gateway" || announcement.host !== this.options.host) return;
    this.pids.set(announcement.id, announcement.pid);
    this.silentMs.set(announcement.pid, 0);
  }

  /**
   * To be called once for each heartbeat.
   * @returns process ids of workers that have been silent for too long; each once.
   */
  tick(nowMs: number, isConnected: boolean): number[] {
    const passedMs = nowMs - (this.tickedAtMs ?? nowMs);
    this.tickedAtMs = nowMs;
    const couldHear = isConnected && passedMs <= latestTickMs && this.heard.size > 0;
    // What has waited for NATS may take a moment to be back: it starts anew.
    if (!isConnected) for (const pid of this.silentMs.keys()) this.silentMs.set(pid, 0);
    const hung: number[] = [];
    for (const [id, pid] of this.pids) {
      if (!couldHear || this.heard.has(id)) continue;
      const silentMs = (this.silentMs.get(pid) ?? 0) + passedMs;
      this.silentMs.set(pid, silentMs);
      if (silentMs >= this.options.limitMs) hung.push(pid);
    }
    for (const [id, pid] of this.pids) if (hung.includes(pid)) this.forget(id);
    this.heard.clear();
    return hung;
  }

  /** The process has ended. */
  ended(pid: number): void {
    for (const [id, known] of this.pids) if (known === pid) this.forget(id);
  }

  private forget(id: string): void {
    const pid = this.pids.get(id);
    if (pid !== undefined) this.silentMs.delete(pid);
    this.pids.delete(id);
  }
}
