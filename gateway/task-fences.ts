// The highest fence that was heard of each task's lease. Whoever has a lower one has stood still, and somebody else has the task since: what
// he asks for comes too late. Pure.

import type { FenceBody } from "../protocol/commands.ts";

/** Of tasks that nobody runs any more, the oldest are forgotten. */
const mostLeases = 10_000;

export class TaskFences {
  /** By the lease's key, the one that was heard last at the end. */
  private readonly highest = new Map<string, number>();

  /** @returns whether nobody has a higher fence of this lease. */
  admits([key, fence]: FenceBody): boolean {
    const highest = this.highest.get(key);
    if (highest !== undefined && fence < highest) return false;
    this.highest.delete(key);
    this.highest.set(key, fence);
    const [oldest] = this.highest.keys();
    if (oldest !== undefined && this.highest.size > mostLeases) this.highest.delete(oldest);
    return true;
  }
}
