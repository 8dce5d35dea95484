// As what the workers of a release connect to NATS.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "../../nats/permissions.ts";

export type WorkerRole = Extract<Role, "worker" | "olderWorker">;

/** Where it is, workers speak on subjects of their own. */
const marker = join("protocol", "worker-announcement.ts");

/** @param folder Of a release, or of a clone. */
export function workerRole(folder: string): WorkerRole {
  return existsSync(join(folder, marker)) ? "worker" : "olderWorker";
}
