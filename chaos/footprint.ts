// What an installation holds at a moment: memory, file descriptors, timers, NATS subscriptions.

import { readdirSync } from "node:fs";
import type { Installation } from "../testbed/installation.ts";
import { patienceMs } from "../testbed/patience.ts";
import { residentBytesOf } from "../testbed/usage.ts";

export interface Footprint {
  readonly gatewayBytes: number;
  /** Of the largest. */
  readonly workerBytes: number;
  readonly gatewayFiles: number;
  readonly gatewayTimers: number;
  readonly supervisorFiles: number;
  /** That run, whatever their release. */
  readonly workers: number;
  /** Of all NATS clients; 0 where the nats-server is not ours to ask. */
  readonly subscriptions: number;
  /** That the gateway has local subscribers for. */
  readonly topics: number;
  readonly connections: number;
  readonly parked: number;
}

const lookMs = 50;
/** A worker that has just been replaced says hello before all of its subscriptions have reached NATS. */
const stillMs = 1_000;

/**
 * As soon as it is as it should be and every process is there, and its counts have been the same for `stillMs`: the last clients'
 * onCloses have run, and the workers that the last fault has replaced have settled. After `patienceMs` as it is then.
 */
export async function settledFootprintOf(installation: Installation, isSettled: (footprint: Footprint) => boolean): Promise<Footprint> {
  const deadline = performance.now() + patienceMs;
  let counts = "";
  let since = performance.now();
  for (;;) {
    const footprint = await footprintOf(installation);
    const { subscriptions, topics, connections, parked, workers } = footprint;
    const seen = [subscriptions, topics, connections, parked, workers].join();
    if (seen !== counts) since = performance.now();
    counts = seen;
    const isStill = workers === installation.shape.workers && performance.now() - since >= stillMs;
    if ((isStill && isSettled(footprint)) || performance.now() > deadline) return footprint;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
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
    workers: status.workers.length,
    subscriptions: (await installation.nats?.subscriptions()) ?? 0,
    topics: told.counters.topics.subscribed,
    connections: told.connections,
    parked: told.parked,
  };
}

function filesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
