// How a worker that takes no new work comes to an end: what is under way is waited for.

import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { WorkerConfig } from "./config.ts";
import type { ExclusiveRunner } from "./exclusive-runner.ts";
import type { GatewayLostHooks } from "./gateway-lost-hooks.ts";
import type { Gateways } from "./gateways.ts";
import type { OnStart } from "./on-start.ts";
import type { OrphanedCloses } from "./orphaned-closes.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { Tasks } from "./tasks.ts";

/** How often it is looked whether all is done. */
const drainStepMs = 5;

/** What may be under way. */
interface Work {
  readonly onStart: OnStart;
  readonly tasks: Tasks;
  readonly gateways: Gateways;
  readonly requests: RequestHandler;
  readonly gatewayLostHooks: GatewayLostHooks;
  readonly exclusive: ExclusiveRunner;
  readonly orphanedCloses: OrphanedCloses;
}

export interface ShutdownOptions extends Work {
  readonly config: Pick<WorkerConfig, "DRAIN_MS">;
  readonly now: () => number;
  readonly log: Logger;
}

/** Lets begun turns finish, and gateways take back what had not begun; at most DRAIN_MS. */
export async function finishWork({ config, now, log, ...work }: ShutdownOptions): Promise<void> {
  const deadline = now() + config.DRAIN_MS;
  while (isBusy(work) && now() < deadline) await pause(drainStepMs);
  const { connections } = work.gateways;
  if (isBusy(work)) log.warn({ connections }, "ended before all turns had settled: they are redelivered");
  else if (connections > 0)
    log.warn({ connections }, "ended without a gateway that is silent: if it comes back, it gives them to other workers");
}

function isBusy({ onStart, tasks, gateways, requests, gatewayLostHooks, exclusive, orphanedCloses }: Work): boolean {
  return (
    !onStart.isOff ||
    !tasks.areOff ||
    gateways.areAwaited ||
    requests.size > 0 ||
    requests.streams > 0 ||
    gatewayLostHooks.running > 0 ||
    exclusive.waiting > 0 ||
    orphanedCloses.size > 0
  );
}
