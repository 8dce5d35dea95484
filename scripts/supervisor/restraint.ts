// What a deploy starts leaves the cores to what serves. Niceness alone does not do that: Linux shares the cores out among
// sessions first, and niceness counts only among processes of one session. Source: sched(7), "The autogroup feature".

import { writeFileSync } from "node:fs";

/** A session with it gets a third of what another gets that wants the same core. */
const heldBack = 5;
/** Where all cores are taken for long, it is held back no longer than that: it is to start in time. */
const longestMs = 2_000;
/** The kernel takes ten changes a second from all who are not root; then it says EAGAIN. */
const pauseMs = 110;

/** Holds one process back that leads a session, from its start until it is ready. A system without the feature does not. */
export class Restraint {
  private readonly file: string;
  private readonly limit: NodeJS.Timeout;
  private nice = heldBack;
  private retry: NodeJS.Timeout | undefined;

  constructor(pid: number) {
    this.file = `/proc/${pid}/autogroup`;
    this.limit = setTimeout(() => this.end(), longestMs);
    this.limit.unref();
    this.apply();
  }

  end(): void {
    clearTimeout(this.limit);
    if (this.nice === 0) return;
    this.nice = 0;
    this.apply();
  }

  private apply(): void {
    clearTimeout(this.retry);
    try {
      writeFileSync(this.file, String(this.nice));
    } catch (error) {
      // Whatever else it is, the process has ended, or the system has no such file.
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") this.retry = setTimeout(() => this.apply(), pauseMs);
    }
  }
}
