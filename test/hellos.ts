// What a member says of itself, where a test needs one and nothing of it matters but what the test changes.

import type { GatewayHello, WorkerHello } from "../protocol/membership.ts";

export const worker: WorkerHello = {
  kind: "worker",
  id: "w1",
  pid: 7,
  host: "here",
  protocol: 1,
  release: "3",
  state: "ready",
  routes: [],
  connections: 0,
};

export const gateway: GatewayHello = {
  kind: "gateway",
  id: "g1",
  pid: 8,
  host: "here",
  protocol: 1,
  port: 0,
  adminPort: 0,
  startedAt: 0,
  connections: 0,
  parked: 0,
  messagesIn: 0,
  messagesOut: 0,
  serving: true,
  routes: {},
  pins: {},
};
