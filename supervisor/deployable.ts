// An installation, as commands see it that deploy, go back, or ask how it is.

import type { DeployProgress } from "../protocol/deploy-progress.ts";
import type { DeployOptions, RollbackOptions } from "./deploy.ts";
import type { DeployReport } from "./deploy-report.ts";
import type { Status, UnderWay } from "./status.ts";

/** @param workers How many to start where nothing else tells. */
export type DeployableOptions = Omit<DeployOptions, "size" | "standbys" | "previous" | "ending"> & { readonly workers: number };

/** Whoever runs the processes: the supervisor of `npm start`, or systemd. */
export interface Deployable {
  status(underWay: UnderWay): Status | Promise<Status>;
  /** @throws what `deploy` throws. */
  deploy(options: DeployableOptions): Promise<DeployReport>;
  /** @throws what `rollback` throws. */
  rollback(options: Omit<RollbackOptions, "size">): Promise<DeployReport>;
  /** Tells those who look at a dashboard. */
  tellDeploy(progress: DeployProgress): void;
}

/** Asked too early. */
export class StillStarting extends Error {}
