// What a worker had in hand when it was lost, for people who look for what it hangs in.

import type { UnderWay } from "../protocol/membership.ts";
import type { Connection } from "./connection.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** As many connections are named; the routes tell how many there are. */
const named = 5;
/** As many are looked at, which takes a few milliseconds: what the worker hangs in is among them. */
const mostLookedAt = 50_000;

/**
 * Connections whose events the worker was given and has not committed; those that have waited longest are named first.
 * @param asked What it was asked and has not answered.
 */
export function underWayAt(worker: WorkerPeer, connections: Iterable<Connection>, asked: UnderWay["asked"]): UnderWay {
  const busy: Connection[] = [];
  let lookedAt = 0;
  // Those first that have been busy for longest.
  for (const connection of connections) {
    if (++lookedAt > mostLookedAt) break;
    if (connection.worker === worker && connection.delivered > 0) busy.push(connection);
  }
  const routes: Record<string, number> = {};
  for (const { route } of busy) routes[route] = (routes[route] ?? 0) + 1;
  const since = ({ stalledSince }: Connection) => stalledSince || Number.POSITIVE_INFINITY;
  // Not a difference: Infinity - Infinity is none.
  const oldest = busy.sort((a, b) => (since(a) < since(b) ? -1 : since(a) > since(b) ? 1 : 0));
  return { asked, routes, connections: oldest.slice(0, named).map(({ id }) => id) };
}
