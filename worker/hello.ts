// The worker's hello: what it tells everybody of itself, as its parts have it now. When it is told is up to Presence.

import { hostname } from "node:os";
import { protocolVersion } from "../protocol/envelope.ts";
import type { WorkerHello } from "../protocol/membership.ts";
import type { Worker } from "./worker.ts";

export function helloOf(worker: Worker): WorkerHello {
  const { id, config, loaded } = worker.options;
  const { committed, thrown, timedOut } = worker.turns.counters;
  const { answered, failed } = worker.requests.counters;
  return {
    kind: "worker",
    id,
    pid: process.pid,
    host: hostname(),
    protocol: protocolVersion,
    release: config.RELEASE,
    state: worker.state,
    routes: [...loaded.routes],
    connections: worker.connections,
    counts: { turns: committed, thrown, timedOut, answers: answered, failed },
    addresses: worker.turns.sources.hello,
    reconnects: worker.reconnects,
    metrics: true,
    onStart: worker.onStart.hello,
    stateCheck: worker.stateCheck.report,
    tasks: worker.tasks.running,
    activation: worker.announcements.activation,
  };
}
