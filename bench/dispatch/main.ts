// What so many idle connections cost the gateway's dispatcher: in memory, and in event loop time when workers come, go or are
// replaced. The dispatcher and its links are the real ones. Sockets are left out, NATS is, and workers answer from here.

import { performance } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Connection, type Socket } from "../../gateway/connection.ts";
import { Dispatcher } from "../../gateway/dispatcher.ts";
import { SlotTable } from "../../gateway/slot-table.ts";
import { WorkerPeer } from "../../gateway/worker-peer.ts";
import { collectSeldom } from "../../process/gc-tuning.ts";
import { connectionId } from "../../protocol/connection-id.ts";
import { type Batch, decodeBatch, encodeEmptyBatch } from "../../protocol/envelope.ts";
import { Link } from "../../protocol/link.ts";
import { toWorker } from "../../protocol/records.ts";
import { compileRoutes } from "../../protocol/route-table.ts";
import type { DispatchFigures } from "../rows/dispatch.ts";

/** As a batch of a worker's answers may hold. */
const answersAtOnce = 1_000;
const opensAtOnce = 100;
const sweepEveryMs = 250;
const gateway = "g";
const routes = [{ path: "/", subprotocols: [], upgrades: false, answers: false, adopts: false }];
const never = Number.MAX_SAFE_INTEGER;
const limits = {
  ...{ windowMessages: 64, windowBytes: 2 ** 20, parkedMessages: never, parkedBytes: never, parkedTotalBytes: never },
  ...{ parkMs: never, fenceMs: never, forgottenMs: never },
};

/** Runs in the event loop what a gateway would run there, and remembers what took longest. */
class Loop {
  longestMs = 0;
  private readonly queue: Array<() => void> = [];

  run(action: () => void): void {
    const begun = performance.now();
    action();
    this.longestMs = Math.max(this.longestMs, performance.now() - begun);
  }

  later(action: () => void): void {
    this.queue.push(action);
  }

  /** Until nothing is left to do. @returns how long it took, in milliseconds. */
  async idle(): Promise<number> {
    const begun = performance.now();
    for (let action = this.queue.shift(); action !== undefined; action = this.queue.shift()) {
      this.run(action);
      await turn();
    }
    return performance.now() - begun;
  }
}

class Scene {
  readonly loop = new Loop();
  readonly dispatcher: Dispatcher;
  private readonly slots = new SlotTable();
  private workers = 0;

  constructor() {
    this.dispatcher = new Dispatcher({
      connections: () => this.slots.all(),
      limits,
      now: () => performance.now(),
      later: (run) => this.loop.later(run),
      onBreak: (_connection, code) => {
        throw new Error(`a connection was closed: ${code}`);
      },
      onPoison: () => undefined,
      onBug: (_connection, error) => {
        throw error;
      },
      onEnd: () => undefined,
      onCandidates: () => undefined,
    });
  }

  open(): void {
    const { slot, epoch } = this.slots.take();
    const id = connectionId(gateway, slot, this.slots.opened);
    const connection = new Connection({
      slot,
      epoch,
      id,
      path: "/",
      query: "",
      ip: "",
      user: undefined,
      subprotocol: "",
      state: undefined,
    });
    connection.socket = socket;
    this.slots.put(connection);
    this.dispatcher.opened(connection);
  }

  join(release: string): WorkerPeer {
    const id = `w${++this.workers}`;
    const link: Link = new Link({
      ...{ self: gateway, peer: id, session: 1 },
      now: () => performance.now(),
      transmit: (bytes) => this.answer(link, worker, decodeBatch(bytes)),
      onBegun: () => this.loop.later(() => link.flush()),
      onCredit: () => this.dispatcher.creditBack(worker),
      onLost: () => undefined,
    });
    const worker = new WorkerPeer({ id, release, table: compileRoutes(routes), link, now: performance.now() });
    this.loop.run(() => this.dispatcher.joined(worker));
    return worker;
  }

  // What a worker says: it has received the batch, has run each onOpen, and gives back what it is asked for.
  private answer(link: Link, worker: WorkerPeer, batch: Batch): void {
    const { seq } = batch.header;
    const answers: Array<() => void> = [];
    for (let index = 0; index < batch.records; index++) {
      const type = batch.type(index);
      const connection = this.slots.connections[batch.slot(index)];
      if (connection === undefined) continue;
      if (type === toWorker.open) answers.push(() => this.dispatcher.committed(connection));
      if (type === toWorker.unpin) answers.push(() => connection.worker === worker && this.dispatcher.released(connection));
    }
    this.loop.later(() => {
      link.receive(
        decodeBatch(encodeEmptyBatch({ from: worker.id, to: gateway, session: 1, peerSession: 1, seq: 0, ack: seq, gap: false })),
      );
    });
    for (let from = 0; from < answers.length; from += answersAtOnce) {
      this.loop.later(() => {
        for (const answer of answers.slice(from, from + answersAtOnce)) answer();
      });
    }
  }
}

// Idle connections never use theirs.
const socket = {} as Socket;

async function measure(connections: number): Promise<DispatchFigures> {
  const collect = collector();
  const scene = new Scene();
  const { dispatcher, loop } = scene;
  const [first] = [scene.join("1"), scene.join("1")];
  loop.run(() => dispatcher.activate({ release: "1", generation: 1 }));
  collect();
  const before = process.memoryUsage().heapUsed;
  taken(loop);
  const begun = performance.now();
  let sweptAt = begun;
  for (let opened = 0; opened < connections; ) {
    // As many as a busy server is told of in one turn of the event loop.
    const next = Math.min(connections, opened + opensAtOnce);
    loop.run(() => {
      for (; opened < next; opened++) scene.open();
    });
    await loop.idle();
    // As a gateway does: what has nothing to do is looked at no more.
    if (performance.now() - sweptAt < sweepEveryMs) continue;
    loop.run(() => dispatcher.sweep(0));
    sweptAt = performance.now();
  }
  const openMs = performance.now() - begun;
  const openBlockMs = taken(loop);
  dispatcher.sweep(0);
  collect();
  const bytes = (process.memoryUsage().heapUsed - before) / connections;
  taken(loop);

  scene.join("1");
  const joinMs = await loop.idle();
  const joinBlockMs = taken(loop);

  first.link.close();
  loop.run(() => dispatcher.lost(first, "exited"));
  const loseMs = await loop.idle();
  const loseBlockMs = taken(loop);

  const next = [scene.join("2"), scene.join("2")];
  loop.run(() => dispatcher.activate({ release: "2", generation: 2 }));
  const activateMs = await loop.idle();
  const activateBlockMs = taken(loop);

  loop.run(() => dispatcher.sweep(0));
  loop.run(() => dispatcher.routes);
  const sweepMs = taken(loop);

  const moved = next.reduce((sum, { pins }) => sum + pins, 0);
  if (moved !== connections || !dispatcher.hasHandedOver) throw new Error(`of ${connections} connections ${moved} were handed over`);
  return { bytes, openMs, openBlockMs, joinMs, joinBlockMs, loseMs, loseBlockMs, activateMs, activateBlockMs, sweepMs };
}

function taken(loop: Loop): number {
  const { longestMs } = loop;
  loop.longestMs = 0;
  return longestMs;
}

/** Node's own collector, without a flag on the command line. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

collectSeldom();
process.send?.(await measure(Number(process.argv[2])));
