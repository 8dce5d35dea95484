// What a deploy starts leaves the cores to what serves. Niceness alone does not do that: Linux shares the cores out among
// sessions first, and niceness counts only among processes of one session. Source: sched(7), "The autogroup feature".

import { readFileSync, writeFileSync } from "node:fs";
import { statFields } from "../process/proc-stat.ts";

/** A session with it gets a third of what another gets that wants the same core. */
const heldBack = 5;
/** Where all cores are taken for long, it is held back no longer than that: it is to start in time. */
const longestMs = 2_000;
/** The kernel takes ten changes a second from all who are not root; then it says EAGAIN. */
const pauseMs = 110;

/** Holds one process back that leads a session, or is about to: from its start until it is ready. */
export class CpuThrottle {
  private readonly pid: number;
  private readonly limit: NodeJS.Timeout;
  private retry: NodeJS.Timeout | undefined;
  private isHeldBack = false;

  constructor(pid: number) {
    this.pid = pid;
    this.limit = setTimeout(() => this.end(), longestMs);
    this.limit.unref();
    this.set(heldBack);
  }

  end(): void {
    clearTimeout(this.limit);
    clearTimeout(this.retry);
    if (this.isHeldBack) this.set(0);
  }

  private set(nice: number): void {
    try {
      // Until it leads one, it is in the session of who starts it, which may be init.
      if (sessionOf(this.pid) !== this.pid) return this.setLater(nice);
      writeFileSync(`/proc/${this.pid}/autogroup`, String(nice));
      this.isHeldBack = nice > 0;
    } catch (error) {
      // Whatever else it is, the process has ended, or the system has no such feature.
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") this.setLater(nice);
    }
  }

  private setLater(nice: number): void {
    this.retry = setTimeout(() => this.set(nice), pauseMs);
  }
}

/** @throws where there is no such process. */
function sessionOf(pid: number): number {
  const [_state, _parent, _group, session] = statFields(readFileSync(`/proc/${pid}/stat`, "latin1"));
  return Number(session);
}
