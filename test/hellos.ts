// What a member says of itself, where a test needs one and nothing of it matters but what the test changes.

import type { WorkerHello } from "../protocol/membership.ts";

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
