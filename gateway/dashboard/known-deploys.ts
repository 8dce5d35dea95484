// The last deploys and rollbacks, as far as those who ran them have told, for the dashboard. Bounded. Pure.

import type { DeployProgress } from "../../protocol/deploy-progress.ts";

const mostKept = 5;

export class KnownDeploys {
  private readonly kept = new Map<string, DeployProgress>();

  /** The one that began last first. */
  get all(): DeployProgress[] {
    return [...this.kept.values()].sort((a, b) => b.startedAt - a.startedAt);
  }

  hear(progress: DeployProgress): void {
    this.kept.set(progress.id, progress);
    for (const { id } of this.all.slice(mostKept)) this.kept.delete(id);
  }

  clear(): void {
    this.kept.clear();
  }
}
