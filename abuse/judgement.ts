// Which bounds of every abuse were passed. Pure.

import { totalBytes } from "./setting.ts";
import type { Latency } from "./victim/latency.ts";
import type { VictimOutcome } from "./victim/orders.ts";
import type { Memory } from "./watch.ts";

/** What a row may have. */
export interface Bounds {
  /** The victim's p99 may be as long, or `growth` times what it was before. */
  readonly latencyMs: number;
  readonly logBytes: number;
  /** Of strangers, in the gateway. */
  readonly heldBytes: number;
}

export interface Measured {
  readonly victim: { readonly before: Latency; readonly during: Latency } & VictimOutcome;
  readonly memory: { readonly before: Memory; readonly peak: Memory };
  readonly loggedBytes: number;
  readonly bounds: Bounds;
}

const growth = 5;
/** V8 takes what it may before it collects, and the system's allocator keeps what was freed. */
const slackBytes = 96 * 1024 * 1024;
/** What the totals allow to be kept. Buffers that grow may take twice as much as is in them. */
export const totalHeldBytes = 2 * totalBytes;

/** What a process may grow by. The gateway keeps what its settings allow; nobody else keeps anything of a stranger's. */
export function growthBytes(heldBytes: number): Memory {
  return { gateway: heldBytes + slackBytes, worker: slackBytes, nats: slackBytes };
}

/** @returns in words; nothing where all is well. */
export function faultsOf({ victim, memory, loggedBytes, bounds }: Measured): string[] {
  const { before, during, lost, doubled, reordered, disconnected } = victim;
  const faults: string[] = [];
  const allowedMs = Math.max(growth * before.p99Ms, bounds.latencyMs);
  if (during.p99Ms > allowedMs) faults.push(`the victim's p99 grew from ${before.p99Ms} to ${during.p99Ms} ms, above ${allowedMs} ms`);
  if (during.echoes === 0) faults.push("the victim had no echo during the abuse");
  if (lost + doubled + reordered > 0) faults.push(`of the victim's echoes, ${lost} lost, ${doubled} doubled, ${reordered} reordered`);
  if (disconnected.length > 0)
    faults.push(`${disconnected.length} of the victim's connections closed: ${[...new Set(disconnected)].join(", ")}`);
  const most = growthBytes(bounds.heldBytes);
  for (const process of ["gateway", "worker", "nats"] as const) {
    const grown = memory.peak[process] - memory.before[process];
    if (grown > most[process]) faults.push(`${process} grew by ${mib(grown)} MiB, above ${mib(most[process])} MiB`);
  }
  if (loggedBytes > bounds.logBytes) faults.push(`${mib(loggedBytes)} MiB of log, above ${Math.round(bounds.logBytes / 1024)} KiB`);
  return faults;
}

export function mib(bytes: number): number {
  return Math.round((bytes / 1024 / 1024) * 10) / 10;
}
