// What a fault finds when it strikes: a live installation, its load, and who listens to opens and closes.

import type { Installation } from "../testbed/installation.ts";
import type { Client } from "./client.ts";
import type { Journal } from "./connection-journal.ts";
import type { Load } from "./load.ts";

export interface Scene {
  readonly installation: Installation;
  readonly load: Load;
  readonly journal: Journal;
  /** 0 to 1; seeded where that was asked for. */
  readonly random: () => number;
  /** How often the fault has struck before. */
  readonly time: number;
  /** A connection that this fault closes, as its row says. */
  readonly condemn: (client: Client) => void;
  /** How long what we have taken away was away: silence that is not the installation's. */
  readonly away: (ms: number) => void;
}

export function pick<T>(list: readonly T[], random: () => number): T {
  const picked = list[Math.floor(random() * list.length)];
  if (picked === undefined) throw new Error("there is nothing to pick from");
  return picked;
}

/** Ends a process without a word; nothing where it has ended already. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
