// What of all connections comes due next where a test moves the clock, timers, heartbeats and expiries, and what becomes of it.

import { toWorker } from "../../protocol/records.ts";
import type { Handler } from "../handler.ts";
import type { Arrival, HeldConnection } from "./held-connection.ts";
import type { HeldHeartbeat } from "./held-heartbeat.ts";

/** `at` by the test's clock. */
export type Due =
  | { readonly connection: HeldConnection; readonly at: number; readonly name: string; readonly number: number }
  | { readonly connection: HeldConnection; readonly at: number; readonly heartbeat: HeldHeartbeat };

/** The gateway whose clock it is. */
export interface Arriving {
  readonly handler: Handler;
  /** Milliseconds since 1970. */
  readonly wallClock: number;
  arrive(connection: HeldConnection, arrival: Arrival): void;
  end(connection: HeldConnection, code: number, reason: string): void;
}

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

export function comeDue(due: Due, { handler, arrive }: Arriving): void {
  const { connection } = due;
  if ("heartbeat" in due) {
    const beat = due.heartbeat.beat();
    if ("send" in beat) connection.frames.push(beat.send);
    else arrive(connection, { type: toWorker.close, ...beat.close });
  } else if (handler.onTimer === undefined) connection.timers.delete(due.name);
  else {
    const { name, number } = due;
    connection.timers.set(name, { number, at: undefined });
    arrive(connection, { type: toWorker.timer, name, number });
  }
}

/** As gateway/expiry.ts does. */
export function expire(connection: HeldConnection, { handler, wallClock, arrive, end }: Arriving): void {
  const { expiresAt, isAsked, answerBy } = connection;
  if (expiresAt === 0 || wallClock < expiresAt) return;
  const isOver = isAsked ? answerBy > 0 && wallClock >= answerBy : handler.onExpire === undefined;
  if (isOver) return end(connection, 4401, "auth.expired");
  if (isAsked) return;
  connection.isAsked = true;
  arrive(connection, { type: toWorker.expire, expiresAt });
}
