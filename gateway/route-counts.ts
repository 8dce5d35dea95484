// How many open connections each path pattern has. Kept, so that no hello has to count. Pure.

import type { Connection } from "./connection.ts";

export class RouteCounts {
  private readonly counts = new Map<string, number>();

  /** By path pattern; empty: no worker has served it yet. */
  get all(): Record<string, number> {
    return Object.fromEntries(this.counts);
  }

  opened({ route }: Connection): void {
    this.count(route, 1);
  }

  closed({ route }: Connection): void {
    this.count(route, -1);
  }

  /** The connection is served by this path pattern from now on. */
  move(connection: Connection, route: string): void {
    if (connection.route === route) return;
    if (connection.intake !== "closed") {
      this.count(connection.route, -1);
      this.count(route, 1);
    }
    connection.route = route;
  }

  private count(route: string, more: number): void {
    const count = (this.counts.get(route) ?? 0) + more;
    if (count === 0) this.counts.delete(route);
    else this.counts.set(route, count);
  }
}
