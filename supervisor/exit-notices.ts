// Which member ran as which process of this machine, however long it has been silent, and which ones have ended lately: that is
// said again for a while, since NATS may lose a word. Pure: what members say, starts and ends are handed in.

import type { Announcement } from "../protocol/membership.ts";

export type ExitNotice = Extract<Announcement, { kind: "gone" }>;

/** With so many heartbeats. A process that has lost NATS without a word notices within 4.5 s: 1.5 x NATS_TIMEOUT_MS. */
const repeats = 10;
/** Where more have ended within that time, the first ones are repeated no more. */
const limit = 100;

export class ExitNotices {
  private readonly host: string;
  /** By process id: what is said of it when it has ended. There are no more than the system has process ids. */
  private readonly living = new Map<number, ExitNotice>();
  /** By member id, those that ended first first; `left` is how often it is still repeated. */
  private readonly recent = new Map<string, { readonly notice: ExitNotice; left: number }>();

  /** @param host This machine's name, as hellos give it: process ids are its own. */
  constructor(host: string) {
    this.host = host;
  }

  hear(announcement: Announcement): void {
    if (announcement.kind === "gone") this.hearGone(announcement);
    if (announcement.kind !== "worker" && announcement.kind !== "gateway") return;
    const { id, pid, host } = announcement;
    // A hello may arrive after its process has ended.
    if (host === this.host && !this.recent.has(id)) this.living.set(pid, { kind: "gone", id, reason: "exited" });
  }

  /** The member that runs as this process; undefined where that has not said hello. */
  memberOf(pid: number): string | undefined {
    return this.living.get(pid)?.id;
  }

  /** A process has this id from now on: whoever had it before is no more. */
  started(pid: number): void {
    this.living.delete(pid);
  }

  /** @returns what is to be said now; undefined where the process had not said hello. */
  ended(pid: number): ExitNotice | undefined {
    const notice = this.living.get(pid);
    if (notice === undefined) return undefined;
    this.living.delete(pid);
    this.recent.set(notice.id, { notice, left: repeats });
    const [first] = this.recent.keys();
    if (first !== undefined && this.recent.size > limit) this.recent.delete(first);
    return notice;
  }

  /** To be called with each heartbeat that finds NATS there. @returns what is to be said again. */
  repeat(): ExitNotice[] {
    return [...this.recent].map(([id, recent]) => {
      recent.left--;
      if (recent.left === 0) this.recent.delete(id);
      return recent.notice;
    });
  }

  /** NATS was away, and what was said shortly before may be lost: it counts as not said yet. */
  reconnected(): void {
    for (const recent of this.recent.values()) recent.left = repeats;
  }

  // Its own goodbye is handed on as such: nobody has died. What another supervisor has seen end was none of ours.
  private hearGone(notice: ExitNotice): void {
    for (const [pid, { id }] of this.living) {
      if (id !== notice.id) continue;
      if (notice.reason === "bye") this.living.set(pid, notice);
      else this.living.delete(pid);
    }
  }
}
