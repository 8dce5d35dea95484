// What a connection's first event is blamed for: the workers that died with it in hand, one after the other. It is the culprit
// where nothing ran beside it when the third one died. Pure; what follows from it is the dispatcher's part.

import type { Connection } from "./connection.ts";

/** Before that, one that died with it alone may have died of something else. */
const leastDeaths = 3;
/** After so many in a row it was this event, though no worker has said that it began: a state's schema runs before that. */
const certainDeaths = 8;

export interface Death {
  readonly workerId: string;
  readonly of: "event" | "adoption";
  /** It was to run alone. */
  readonly wasToRunAlone: boolean;
  /** Where nobody has seen the worker end: until when it may show that it lives. */
  readonly verdictBy: number | undefined;
}

/** A worker was lost that had the first event in hand. */
export function addDeath(connection: Connection, { workerId, of, wasToRunAlone, verdictBy }: Death): void {
  connection.dead ??= new Set();
  connection.dead.add(workerId);
  if (!wasToRunAlone || connection.deaths < leastDeaths) return;
  if (!connection.runsAlone && connection.deaths < certainDeaths) return;
  connection.culprit = of;
  if (verdictBy !== undefined) connection.verdict = { worker: workerId, by: verdictBy };
}

/** Whether any worker that was taken for dead is counted against it. */
export function isAccused({ dead, verdict }: Connection): boolean {
  return dead !== undefined || verdict !== undefined;
}

/** A worker that was taken for dead lives. @returns whether the connection has waited for that, and may go on. */
export function takeDeathBack(connection: Connection, workerId: string): boolean {
  connection.dead?.delete(workerId);
  const { verdict } = connection;
  if (verdict === undefined || (verdict.worker !== workerId && connection.deaths >= leastDeaths)) return false;
  acquit(connection);
  return true;
}

/** What kills is not the first event, or not known to be. The deaths stay. */
export function acquit(connection: Connection): void {
  connection.culprit = undefined;
  connection.verdict = undefined;
}
