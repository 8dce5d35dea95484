// What of all connections comes due next, a timer or a heartbeat, where a test moves the clock. Pure.

import type { HeldConnection } from "./held-connection.ts";
import type { HeldHeartbeat } from "./held-heartbeat.ts";

/** `at` by the test's clock. */
export type Due =
  | { readonly connection: HeldConnection; readonly at: number; readonly name: string; readonly number: number }
  | { readonly connection: HeldConnection; readonly at: number; readonly heartbeat: HeldHeartbeat };

/** The first that comes due until then. */
export function nextDue(open: readonly HeldConnection[], until: number): Due | undefined {
  return open
    .flatMap(dueOf)
    .filter(({ at }) => at <= until)
    .sort((a, b) => a.at - b.at)[0];
}

function dueOf(connection: HeldConnection): Due[] {
  const timers = [...connection.timers].flatMap(([name, { number, at }]) => (at === undefined ? [] : { connection, at, name, number }));
  const { heartbeat } = connection;
  return heartbeat === undefined ? timers : [...timers, { connection, at: heartbeat.at, heartbeat }];
}
