// Which timer of all connections comes due next, where a test moves the clock. Pure.

import type { HeldConnection } from "./held-connection.ts";

export interface DueTimer {
  readonly connection: HeldConnection;
  readonly name: string;
  readonly number: number;
  /** By the test's clock. */
  readonly at: number;
}

/** The first that comes due until then. */
export function nextTimer(open: readonly HeldConnection[], until: number): DueTimer | undefined {
  const all = open.flatMap((connection) => [...connection.timers].map(([name, timer]) => ({ connection, name, ...timer })));
  return all.flatMap(({ at, ...timer }) => (at === undefined || at > until ? [] : { ...timer, at })).sort((a, b) => a.at - b.at)[0];
}
