// What Linux tells of a session as its scheduler sees it. Source: sched(7), "The autogroup feature".

import { existsSync, readFileSync } from "node:fs";

export const hasAutogroups = existsSync("/proc/self/autogroup");

/** How much a process's whole session counts: 0 is as much as others, more is less. undefined: it has ended, or nobody tells. */
export function sessionNice(pid: number): number | undefined {
  try {
    return Number(/ nice (-?\d+)$/m.exec(readFileSync(`/proc/${pid}/autogroup`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}
