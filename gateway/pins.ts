// Gives connections to workers and takes them back: what the worker is told, which of its lists a connection is in, and what the move
// cost. Which worker, and when, is decided in transitions.ts and placement.ts. Pure.

import { packValue } from "../protocol/msgpack.ts";
import { toWorker } from "../protocol/records.ts";
import { type Connection, pinBodyOf } from "./connection.ts";
import type { HandoverMeter } from "./handover-meter.ts";
import { hasStayed } from "./stays.ts";
import type { WorkerPeer } from "./worker-peer.ts";

const nothing = new Uint8Array(0);

export interface PinsOptions {
  readonly handover: HandoverMeter;
  readonly now: () => number;
  /** A worker has given one back that had nothing under way, or was lost. */
  readonly onReturned: () => void;
}

export class Pins {
  private readonly options: PinsOptions;

  constructor(options: PinsOptions) {
    this.options = options;
  }

  /** To its `worker`, which serves its path. */
  pin(connection: Connection, worker: WorkerPeer): void {
    connection.epoch = (connection.epoch + 1) >>> 0;
    // What it stayed for was in another worker's memory.
    connection.staysUntil = 0;
    worker.pinned.add(connection);
    const head = { type: toWorker.pin, flags: 0, extra: 0, slot: connection.slot, epoch: connection.epoch };
    const { own } = connection.state.givenTo(worker.release);
    if (own !== undefined) worker.link.append({ ...head, type: toWorker.earlier }, own.state ?? nothing);
    worker.link.append(head, packValue(pinBodyOf(connection)));
    if (connection.firstEvent > 0) worker.adoptionBatch = worker.link.lastBatch;
    if (connection.leavingSince === 0) return;
    this.options.handover.moved(Math.max(0, this.options.now() - connection.leavingSince));
    connection.leavingSince = 0;
  }

  askBack(connection: Connection, worker: WorkerPeer): void {
    connection.leavingSince = this.options.now();
    // A turn under way may ask for one that begins now.
    if (connection.delivered === 0) connection.staysUntil = hasStayed;
    else if (connection.staysUntil !== hasStayed) connection.staysUntil = 0;
    // Counted as gone at once, so that no more than the surplus is asked back.
    worker.pinned.delete(connection);
    worker.leaving.add(connection);
    if (connection.delivered === 0) {
      connection.isReturning = true;
      worker.returning++;
    }
    this.tellUnpin(connection, worker, connection.staysUntil === hasStayed);
  }

  /** @param isFinal No stay that its turn asks for counts. */
  tellUnpin(connection: Connection, worker: WorkerPeer, isFinal: boolean): void {
    worker.link.appendEmpty({ type: toWorker.unpin, flags: 0, extra: isFinal ? 1 : 0, slot: connection.slot, epoch: connection.epoch });
  }

  /** The worker has it no more: it has said so, was lost, or is not believed. */
  unpin(connection: Connection, worker: WorkerPeer): void {
    worker.pinned.delete(connection);
    worker.leaving.delete(connection);
    connection.worker = undefined;
    if (!connection.isReturning) return;
    connection.isReturning = false;
    worker.returning--;
    this.options.onReturned();
  }
}
