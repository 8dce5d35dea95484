// What an installation holds at a moment: memory, file descriptors, timers, NATS subscriptions.

import { readdirSync } from "node:fs";
import type { Installation } from "../live/installation.ts";
import { residentBytesOf } from "../live/usage.ts";

export interface Footprint {
  readonly gatewayBytes: number;
  /** Of the largest. */
  readonly workerBytes: number;
  readonly gatewayFiles: number;
  readonly gatewayTimers: number;
  readonly supervisorFiles: number;
  /** Of all NATS clients; 0 where the nats-server is not ours to ask. */
  readonly subscriptions: number;
  /** That the gateway has local subscribers for. */
  readonly topics: number;
  readonly connections: number;
  readonly parked: number;
}

/** How long the last clients' onCloses may take, and the workers that the last fault has replaced. */
const patienceMs = 20_000;

/** As soon as it is as it should be, or after `patienceMs`, as it is then. */
export async function settledFootprintOf(installation: Installation, isSettled: (footprint: Footprint) => boolean): Promise<Footprint> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const footprint = await footprintOf(installation);
    if (isSettled(footprint) || performance.now() > deadline) return footprint;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function footprintOf(installation: Installation): Promise<Footprint> {
  const status = await installation.status();
  const [gateway] = status.gateways;
  if (gateway === undefined) throw new Error("there is no gateway");
  const response = await fetch(`http://127.0.0.1:${gateway.adminPort}/status`);
  const told = (await response.json()) as {
    connections: number;
    parked: number;
    timers: number;
    counters: { topics: { subscribed: number } };
  };
  return {
    gatewayBytes: residentBytesOf([gateway.pid]),
    workerBytes: Math.max(...status.workers.map(({ pid }) => residentBytesOf([pid]))),
    gatewayFiles: filesOf(gateway.pid),
    gatewayTimers: told.timers,
    supervisorFiles: filesOf(installation.supervisorPid),
    subscriptions: (await installation.nats?.subscriptions()) ?? 0,
    topics: told.counters.topics.subscribed,
    connections: told.connections,
    parked: told.parked,
  };
}

function filesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
