// Gives events to the worker that has their connection, within a window for each connection and the credit of the worker's
// link. Pure.

import { flag, toWorker } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";
import { ConnectionEvent } from "./event.ts";
import type { Parking } from "./parking.ts";
import type { Quarantine } from "./quarantine.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface Window {
  readonly windowMessages: number;
  readonly windowBytes: number;
}

export class Delivery {
  private readonly window: Window;
  private readonly parking: Parking;
  private readonly quarantine: Quarantine;

  constructor(window: Window, parking: Parking, quarantine: Quarantine) {
    this.window = window;
    this.parking = parking;
    this.quarantine = quarantine;
  }

  /** Gives the worker as much of what is parked as it may have. */
  advance(connection: Connection): void {
    const { worker, events } = connection;
    if (worker === undefined || worker.loss !== undefined || connection.phase !== "pinned") return;
    while (connection.delivered < events.length && this.mayDeliver(connection, worker)) {
      const event = events[connection.delivered] as ConnectionEvent;
      this.parking.remove(connection, event);
      this.deliver(connection, worker, event);
    }
  }

  /** Delivers a message at once, without copying it but into its batch. @returns whether it did: where not, it has to be parked. */
  deliverNow(connection: Connection, data: Uint8Array, isBinary: boolean): boolean {
    const { worker, events } = connection;
    if (worker === undefined || connection.phase !== "pinned" || connection.delivered !== events.length) return false;
    if (worker.loss !== undefined || !this.mayDeliver(connection, worker)) return false;
    const event = new ConnectionEvent(toWorker.message, data, isBinary);
    events.push(event);
    const at = this.deliver(connection, worker, event);
    // Not before: the batch may have got other memory with it.
    event.reference(worker.link.batch.memory, at);
    return true;
  }

  /** The link to a worker has credit again, or a suspect does not keep others from it any more. */
  creditBack(worker: WorkerPeer): void {
    const waiting = [...worker.waiting];
    worker.waiting.clear();
    for (const connection of waiting) this.advance(connection);
  }

  private mayDeliver(connection: Connection, worker: WorkerPeer): boolean {
    if (worker === this.quarantine.worker) {
      if (connection === this.quarantine.connection) return connection.delivered === 0;
      worker.waiting.add(connection);
      return false;
    }
    const { delivered, deliveredBytes } = connection;
    if (delivered > 0 && (delivered >= this.window.windowMessages || deliveredBytes >= this.window.windowBytes)) return false;
    if (worker.link.hasCredit) return true;
    worker.waiting.add(connection);
    return false;
  }

  /** @returns where its payload lies in the batch's memory. */
  private deliver(connection: Connection, worker: WorkerPeer, event: ConnectionEvent): number {
    const { type, flushed: extra, payload } = event;
    const { slot, epoch } = connection;
    const isAlone = connection === this.quarantine.connection;
    const flags = (event.isBinary ? flag.binary : 0) | (event.redelivered ? flag.redelivered : 0) | (isAlone ? flag.alone : 0);
    const at = worker.link.append({ type, flags, extra, slot, epoch }, payload);
    connection.delivered++;
    connection.deliveredBytes += payload.length;
    worker.inFlight++;
    return at;
  }
}
