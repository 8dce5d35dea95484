// What becomes of a worker that hangs, and what is said of it: what it had in hand, as gateways tell.

import type { UnderWay } from "../protocol/membership.ts";
import type { Child } from "./child.ts";
import type { Log } from "./log-display.ts";

export interface Hung {
  /** What each gateway had given to it. */
  readonly underWay: readonly UnderWay[];
  readonly silentMs: number;
  readonly log: Pick<Log, "event">;
}

/** Gateways have given up on it at half of that time; its exit has another one started. @param child undefined: it has ended meanwhile. */
export function killHung(child: Child | undefined, { underWay, silentMs, log }: Hung): void {
  if (child === undefined) return;
  const { name, pid } = child;
  const text = hungText(underWay);
  log.event("error", `${name} hangs: silent for ${silentMs} ms (2 x WORKER_TIMEOUT_MS), it is killed; ${text}`, { pid });
  child.killedFor = `it hung; ${text}`;
  void child.kill();
}

/**
 * "under way: onRequest of /files (2), /chat/:room (3), /echo (1), of connections g1-0-1, g1-2-1, …"
 * @param gateways What each of them had given to it.
 */
export function hungText(gateways: readonly UnderWay[]): string {
  const asked = sumOf(gateways.map((each) => each.asked ?? {}));
  const routes = sumOf(gateways.map((each) => each.routes));
  if (asked.size + routes.size === 0) return "nothing of a client was under way: look at onStart and timers";
  const list = [...asked, ...routes].map(([what, count]) => `${what} (${count})`).join(", ");
  if (routes.size === 0) return `under way: ${list}`;
  const ids = gateways.flatMap(({ connections }) => connections);
  const all = [...routes.values()].reduce((sum, count) => sum + count, 0);
  return `under way: ${list}, of ${all === 1 ? "connection" : "connections"} ${ids.join(", ")}${ids.length < all ? ", …" : ""}`;
}

function sumOf(counts: ReadonlyArray<Readonly<Record<string, number>>>): Map<string, number> {
  const sum = new Map<string, number>();
  for (const [what, count] of counts.flatMap((each) => Object.entries(each))) sum.set(what, (sum.get(what) ?? 0) + count);
  return sum;
}
