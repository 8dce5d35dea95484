// The gateway's hello: what it tells everybody of itself, as its parts have it now. When it is told is up to Presence.

import { hostname } from "node:os";
import { protocolVersion } from "../protocol/envelope.ts";
import { gatewayLevel } from "../protocol/level.ts";
import { type GatewayHello, withoutTrial } from "../protocol/membership.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Gateway } from "./gateway.ts";

export function helloOf(gateway: Gateway): GatewayHello {
  const { dispatcher, commits, frontend } = gateway;
  const { workers } = gateway.backend;
  return {
    kind: "gateway",
    id: gateway.id,
    pid: process.pid,
    host: hostname(),
    protocol: protocolVersion,
    port: frontend.port,
    adminPort: gateway.adminPort,
    startedAt: gateway.startedAt,
    connections: dispatcher.size,
    parked: dispatcher.parking.events + frontend.upgrades.parked,
    messagesIn: dispatcher.counters.messagesIn,
    messagesOut: commits.counters.messagesOut,
    draining: frontend.upgrades.isDraining,
    tellsStates: true,
    hearsWorkers: true,
    level: gatewayLevel,
    ...(Number.isFinite(frontend.unansweredMs) && { unansweredMs: frontend.unansweredMs }),
    serving: dispatcher.serving,
    routes: dispatcher.routes,
    pins: Object.fromEntries([...workers.all()].map((worker) => [worker.id, worker.pins])),
    silent: workers.silent,
    handover: dispatcher.handover.report({ remaining: dispatcher.remaining, adopted: dispatcher.hasHandedOver }),
    activation: dispatcher.activation && withoutTrial(dispatcher.activation),
  };
}

/** How far the hand-over is, as a hello tells it: another value is news. */
export function handoverStage({ handover, remaining, hasHandedOver }: Dispatcher): string {
  // What is closed later is told with the next heartbeat.
  return `${remaining} ${hasHandedOver} ${hasHandedOver ? "" : handover.closedTotal}`;
}
