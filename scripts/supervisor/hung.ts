// What is said of a worker that hangs: what it had in hand, as gateways tell.

import type { UnderWay } from "../../protocol/membership.ts";

/** "under way: /chat/:room (3), /echo (1), of connections g1-0-1, g1-2-1, …" @param gateways What each of them had given to it. */
export function hungText(gateways: readonly UnderWay[]): string {
  const routes = new Map<string, number>();
  for (const [route, count] of gateways.flatMap((each) => Object.entries(each.routes))) {
    routes.set(route, (routes.get(route) ?? 0) + count);
  }
  if (routes.size === 0) return "no connection had anything under way: look at onStart, onUpgrade, onRequest and timers";
  const ids = gateways.flatMap(({ connections }) => connections);
  const all = [...routes.values()].reduce((sum, count) => sum + count, 0);
  const list = [...routes].map(([route, count]) => `${route} (${count})`).join(", ");
  return `under way: ${list}, of ${all === 1 ? "connection" : "connections"} ${ids.join(", ")}${ids.length < all ? ", …" : ""}`;
}
