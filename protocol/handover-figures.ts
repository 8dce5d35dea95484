// What a hand-over has cost, of all gateways together: the figures in their hellos, added up. Pure.

import { Histogram } from "./histogram.ts";
import type { GatewayHello } from "./membership.ts";

/** Connections by the code that they were closed for: see docs/errors.md. */
export type Closed = Readonly<Record<string, number>>;

export interface HandoverFigures {
  readonly connectionsBefore: number;
  readonly connectionsAfter: number;
  readonly handedOver: number;
  /** Not yet with the workers that should have them. */
  readonly remaining: number;
  readonly parked: number;
  readonly redelivered: number;
  /** Connections that were closed for an error of the release since its activation, or since a forced one does not serve them; by code. */
  readonly closed: Closed;
  /** How long a connection's messages could not be delivered. */
  readonly pauseP50Ms: number;
  readonly pauseP99Ms: number;
  readonly pauseLongestMs: number;
}

/** Gateways that have not heard of the generation yet do not count, but for their connections. */
export function handoverFigures(gateways: readonly GatewayHello[], generation: number): HandoverFigures {
  const handovers = gateways.flatMap(({ handover }) => (handover?.generation === generation ? [handover] : []));
  const pauses = new Histogram();
  for (const handover of handovers) pauses.add(handover.pauses, handover.longestPauseMs);
  const sum = (figure: "before" | "moved" | "remaining" | "parked" | "redelivered") =>
    handovers.reduce((total, handover) => total + handover[figure], 0);
  return {
    connectionsBefore: sum("before"),
    connectionsAfter: connectionsOf(gateways),
    handedOver: sum("moved"),
    remaining: sum("remaining"),
    parked: sum("parked"),
    redelivered: sum("redelivered"),
    closed: closedIn(gateways, generation),
    pauseP50Ms: pauses.quantile(0.5),
    pauseP99Ms: pauses.quantile(0.99),
    pauseLongestMs: pauses.longestMs,
  };
}

/** Of all gateways, since this generation was activated. */
export function closedIn(gateways: readonly GatewayHello[], generation: number): Closed {
  const sums: Record<string, number> = {};
  for (const { handover } of gateways) {
    if (handover?.generation !== generation) continue;
    for (const [code, count] of Object.entries(handover.closed ?? {})) sums[code] = (sums[code] ?? 0) + count;
  }
  return sums;
}

export function connectionsOf(gateways: readonly GatewayHello[]): number {
  return gateways.reduce((total, gateway) => total + gateway.connections, 0);
}
