// A process that was started again in the place of one that has ended tells the others so: a dead process cannot, and until
// its silence tells, nobody runs its connections' onClose. For service managers that do not do it themselves.

import { readFileSync, writeFileSync } from "node:fs";
import type { Bus } from "./bus.ts";
import { encodeAnnouncement } from "./membership.ts";
import { subjectsOf } from "./subjects.ts";

export interface SuccessionOptions {
  /** Outlives the process and nothing else; empty: there is none. */
  readonly file: string;
  /** Of this process. */
  readonly id: string;
  readonly bus: Bus;
  readonly namespace: string;
}

/** @throws what the file system throws. */
export function succeed({ file, id, bus, namespace }: SuccessionOptions): void {
  if (file === "") return;
  const before = read(file);
  // Said again where we end before it was: no harm in it.
  if (before !== undefined) bus.publish(subjectsOf(namespace).members, encodeAnnouncement({ kind: "gone", id: before, reason: "exited" }));
  writeFileSync(file, id);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8") || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
