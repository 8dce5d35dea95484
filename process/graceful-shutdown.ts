// How a gateway or a worker ends: when a signal asks for it, or when its supervisor has ended, it drains, and then exits.

import type { Logger } from "pino";
import type { Notify } from "./notify.ts";
import { watchParent } from "./parent-watch.ts";

export interface GracefulShutdownOptions {
  readonly log: Pick<Logger, "info">;
  /** What the log says when it begins. */
  readonly text: string;
  readonly notify: Pick<Notify, "stopping" | "end">;
  /** How long draining may take. */
  readonly drainMs: number;
  /** Of the supervisor's pipe, as `watchParent` takes it. */
  readonly lifelineFd: number;
  /** @returns undefined while the process starts: then there is nothing to drain. */
  readonly drain: () => Promise<void> | undefined;
}

/** From now on, a signal ends the process gracefully, and a second one at once, with exit code 1. */
export function shutDownGracefully({ log, text, notify, drainMs, lifelineFd, drain }: GracefulShutdownOptions): void {
  let hasBegun = false;
  const begin = (reason: string) => {
    if (hasBegun) process.exit(1);
    hasBegun = true;
    log.info({ reason }, text);
    notify.stopping(drainMs);
    const drained = drain();
    if (drained === undefined) process.exit(0);
    void drained.then(() => notify.end()).then(() => process.exit(0));
  };
  process.on("SIGTERM", () => begin("SIGTERM"));
  process.on("SIGINT", () => begin("SIGINT"));
  watchParent(lifelineFd, () => begin("its supervisor has ended"));
}
