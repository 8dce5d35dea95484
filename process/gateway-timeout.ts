// GATEWAY_TIMEOUT_MS and NATS_TIMEOUT_MS depend on each other: a gateway that has lost NATS has to close its connections before others
// take it for dead and run their onClose.

import { heartbeatMs } from "../protocol/membership.ts";

/** How often a gateway looks at its time-outs. */
export const gatewaySweepMs = 250;

interface Timeouts {
  readonly GATEWAY_TIMEOUT_MS: number;
  readonly NATS_TIMEOUT_MS: number;
}

/** Without NATS for longer, a gateway closes all its connections. */
export function fenceMs({ GATEWAY_TIMEOUT_MS }: Pick<Timeouts, "GATEWAY_TIMEOUT_MS">): number {
  return 0.75 * GATEWAY_TIMEOUT_MS;
}

/**
 * A gateway that finds NATS away has been silent for so long at most: its last hello may have been due when NATS fell silent, which is
 * noticed within one and a half times NATS_TIMEOUT_MS (`silenceMs` in nats/connection.ts).
 */
export function unnoticedMs({ NATS_TIMEOUT_MS }: Pick<Timeouts, "NATS_TIMEOUT_MS">): number {
  return heartbeatMs + 1.5 * NATS_TIMEOUT_MS;
}

/** Whether it begins to close its connections in time. */
export function closesInTime(timeouts: Timeouts): boolean {
  return unnoticedMs(timeouts) + fenceMs(timeouts) + gatewaySweepMs < timeouts.GATEWAY_TIMEOUT_MS;
}

/** What GATEWAY_TIMEOUT_MS has to be, for the message of a mistake. */
export function leastGatewayTimeout({ NATS_TIMEOUT_MS }: Pick<Timeouts, "NATS_TIMEOUT_MS">): string {
  const least = Math.floor(4 * (unnoticedMs({ NATS_TIMEOUT_MS }) + gatewaySweepMs)) + 1;
  return `at least ${least}, which NATS_TIMEOUT_MS=${NATS_TIMEOUT_MS} needs: raise it, or lower NATS_TIMEOUT_MS`;
}
