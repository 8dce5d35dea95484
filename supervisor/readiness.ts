// When the start of an installation is over.

import type { Gateways } from "./gateways.ts";
import type { Log } from "./log-display.ts";
import type { Members } from "./members.ts";
import type { DeployPools } from "./switch-over.ts";

export interface Starting {
  readonly members: Members;
  readonly pools: Pick<DeployPools, "active">;
  readonly gateways: Pick<Gateways, "arePresent" | "areServing">;
}

/**
 * Resolves when a message could be answered; where there is no release, when all gateways are there.
 * @param lateMs When the log says that it takes long.
 * @throws the signal's reason.
 */
export async function untilReady(
  { members, pools, gateways }: Starting,
  { log, lateMs, signal }: { log: Pick<Log, "event">; lateMs: number; signal: AbortSignal },
): Promise<void> {
  const late = setTimeout(() => {
    const who = gateways.arePresent ? "workers" : "gateways";
    log.event("warn", `not ready after ${lateMs} ms: still waiting for ${who}`);
  }, lateMs);
  try {
    await members.until(() => (pools.active === undefined ? gateways.arePresent : gateways.areServing), signal);
  } finally {
    clearTimeout(late);
  }
}
