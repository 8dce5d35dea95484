// Where the chaos run differs from a usual installation.

import type { Setting, Shape } from "../testbed/installation.ts";
import { unlimitedClients } from "../testbed/unlimited-clients.ts";

/** A hung worker loses its connections after it. */
export const workerTimeoutMs = 2_500;

export function chaosSetting(shape: Shape): Setting {
  return {
    name: "chaos",
    shape,
    handlersDir: "chaos/handlers",
    env: { ...unlimitedClients, WORKER_TIMEOUT_MS: String(workerTimeoutMs), WARM_MS: "1000", WATCH_MS: "1000" },
  };
}
