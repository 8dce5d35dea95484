// Counts what clients sent wrong, by route and error code. A deploy's watch does not look at it.

import { counter, type Labels, type Metric } from "../process/metric.ts";
import type { ErrorCode } from "../protocol/errors.ts";

export class Refusals {
  private readonly counts = new Map<string, Map<ErrorCode, number>>();

  /** @param route the handler's path pattern. */
  count(route: string, code: ErrorCode): void {
    const ofRoute = this.counts.get(route) ?? new Map<ErrorCode, number>();
    this.counts.set(route, ofRoute.set(code, (ofRoute.get(code) ?? 0) + 1));
  }

  read(): Metric {
    return counter(
      "thinstate_refused_total",
      "Messages and requests that could not be parsed, or came from nobody we know, by error code: mistakes of clients. They do not count as turns.",
      this.samples(),
    );
  }

  private *samples(): Iterable<readonly [Labels, number]> {
    for (const [route, codes] of this.counts) for (const [code, count] of codes) yield [{ route, code }, count];
  }
}
