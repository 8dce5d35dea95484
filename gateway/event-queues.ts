// The uncommitted events of each connection, in order: the first of them are with its worker, the others are parked. A connection has
// a window of events, and its worker's link has credit; what exceeds either stays parked. Pure.

import { flag, isCounted, toWorker } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";
import type { DispatchCounters } from "./dispatch-options.ts";
import { ConnectionEvent } from "./event.ts";
import { endExpire, hearsExpire } from "./expiry.ts";
import { hearsPublished } from "./hook-subscribers.ts";
import type { Parking } from "./parking.ts";
import type { Quarantine } from "./quarantine.ts";
import { endTimer, hearsTimers } from "./timers.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface Window {
  readonly windowMessages: number;
  readonly windowBytes: number;
}

export interface EventQueuesOptions {
  readonly window: Window;
  readonly parking: Parking;
  readonly quarantine: Quarantine;
  readonly counters: Pick<DispatchCounters, "discarded" | "timersDropped" | "publishedDropped">;
}

const nothing = new Uint8Array(0);

export class EventQueues {
  /** Connections that have events, or had some at the last sweep. */
  readonly active = new Set<Connection>();
  private readonly window: Window;
  private readonly parking: Parking;
  private readonly quarantine: Quarantine;
  private readonly counters: EventQueuesOptions["counters"];

  constructor({ window, parking, quarantine, counters }: EventQueuesOptions) {
    this.window = window;
    this.parking = parking;
    this.quarantine = quarantine;
    this.counters = counters;
  }

  /** Behind all others. */
  park(connection: Connection, event: ConnectionEvent): void {
    connection.events.push(event);
    this.activate(connection);
    this.parking.add(connection, event);
  }

  /** Before all others; nothing is with the worker. */
  parkAdoption(connection: Connection): void {
    const event = new ConnectionEvent(toWorker.adopt, nothing);
    connection.events.unshift(event);
    this.activate(connection);
    this.parking.add(connection, event);
  }

  /** Gives the worker as much of what is parked as it may have. */
  advance(connection: Connection): void {
    const { worker, events, phase, staysUntil } = connection;
    if (worker === undefined || worker.loss !== undefined || (phase === "leaving" && staysUntil <= 0)) return;
    while (connection.delivered < events.length && this.mayDeliver(connection, worker)) {
      if (this.dropUnheard(connection, worker)) continue;
      const event = events[connection.delivered] as ConnectionEvent;
      this.parking.remove(connection, event);
      this.deliver(connection, worker, event);
    }
  }

  /** Drops the next event where its worker has no turn for it. @returns whether it did. */
  dropUnheard(connection: Connection, worker: WorkerPeer): boolean {
    const { events, delivered } = connection;
    const event = events[delivered];
    if (event?.type === toWorker.expire && !hearsExpire(connection, worker)) endExpire(connection, event, "unasked");
    else if (event?.type === toWorker.timer && !hearsTimers(connection, worker)) {
      this.counters.timersDropped.unhandled++;
      endTimer(connection, event);
    } else if (event?.type === toWorker.published && !hearsPublished(connection, worker)) this.counters.publishedDropped.unhandled++;
    else return false;
    this.parking.remove(connection, event);
    events.splice(delivered, 1);
    return true;
  }

  /** Delivers a message at once, without copying it but into its batch. @returns whether it did: where not, it has to be parked. */
  deliverNow(connection: Connection, data: Uint8Array, isBinary: boolean): boolean {
    const { worker, events } = connection;
    if (worker === undefined || connection.phase !== "pinned" || connection.delivered !== events.length) return false;
    if (worker.loss !== undefined || !this.mayDeliver(connection, worker)) return false;
    if (!connection.isActive) this.activate(connection);
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

  /** The first event is done. @returns undefined if the worker was given none. */
  commit(connection: Connection): ConnectionEvent | undefined {
    if (connection.delivered === 0) return undefined;
    const event = connection.events.shift() as ConnectionEvent;
    connection.delivered--;
    connection.deliveredBytes -= event.length;
    if (connection.worker !== undefined) connection.worker.inFlight--;
    if (isCounted(event.type)) connection.firstEvent++;
    else if (event.type === toWorker.expire) endExpire(connection, event, "asked");
    else if (event.type === toWorker.timer) endTimer(connection, event);
    // The next one has the same number; but the connection is not at a standstill.
    if (event.type === toWorker.timer || event.type === toWorker.published) connection.sweptEvent = -1;
    return event;
  }

  /** The turn of the first event closes the connection: of what is behind it, only the close is handled, here and at the worker. */
  cut(connection: Connection): void {
    const rest = connection.events.splice(1);
    const delivered = Math.max(0, connection.delivered - 1);
    connection.delivered = Math.min(connection.delivered, 1);
    for (const [index, event] of rest.entries()) {
      const isDelivered = index < delivered;
      if (event.type === toWorker.close) {
        connection.events.push(event);
        if (isDelivered) connection.delivered++;
      } else if (isDelivered) {
        connection.deliveredBytes -= event.length;
        if (connection.worker !== undefined) connection.worker.inFlight--;
      } else this.parking.remove(connection, event);
    }
  }

  /** Its pin is over: what the worker has not committed is parked again, in its place. @returns what was with the worker. */
  takeBack(connection: Connection, worker: WorkerPeer): ConnectionEvent[] {
    worker.waiting.delete(connection);
    worker.inFlight -= connection.delivered;
    detachPayloads(connection);
    const returned = connection.events.splice(0, connection.delivered);
    connection.delivered = 0;
    connection.deliveredBytes = 0;
    // An adoption belongs to the pin that it was made for, delivered or not.
    const [first] = connection.events;
    if (returned[0]?.type !== toWorker.adopt && first?.type === toWorker.adopt) this.dropFirst(connection);
    const kept = returned[0]?.type === toWorker.adopt ? returned.slice(1) : returned;
    for (const event of kept) this.parking.add(connection, event);
    connection.events.unshift(...kept);
    return returned;
  }

  /** The first event will not be handled. Nothing is with a worker. */
  setFirstAside(connection: Connection): ConnectionEvent {
    const event = this.dropFirst(connection);
    if (isCounted(event.type)) connection.firstEvent++;
    return event;
  }

  /** Messages that no worker has are dropped, with what the server has for the handler; the open and the close of a connection never are. */
  dropMessages(connection: Connection): void {
    for (const event of connection.events.splice(connection.delivered)) {
      if (event.type === toWorker.message) this.counters.discarded++;
      else if (event.type === toWorker.timer) this.counters.timersDropped.discarded++;
      else if (event.type === toWorker.published) this.counters.publishedDropped.discarded++;
      else if (event.type !== toWorker.expire) {
        connection.events.push(event);
        continue;
      }
      this.parking.remove(connection, event);
    }
  }

  /** Nothing is with a worker. */
  dropAll(connection: Connection): void {
    for (const event of connection.events.splice(0)) this.parking.remove(connection, event);
  }

  /** Asked by each sweep: for how long they have found the same event uncommitted. Timers may wait: no client has sent them. */
  stalledMs(connection: Connection, now: number): number {
    const isSame = connection.sweptEvent === connection.firstEvent;
    const isStalled = isSame && connection.events.some(({ type }) => type !== toWorker.timer);
    connection.sweptEvent = connection.firstEvent;
    if (!isStalled) connection.stalledSince = 0;
    else if (connection.stalledSince === 0) connection.stalledSince = now;
    if (isSame) detachPayloads(connection);
    return isStalled ? now - connection.stalledSince : 0;
  }

  /** It has no events, and sweeps need not look at it. */
  rest(connection: Connection): void {
    this.active.delete(connection);
    connection.isActive = false;
    connection.stalledSince = 0;
    // The array keeps its room for seventeen events otherwise, which is a fifth of all that an idle connection takes.
    connection.events.length = 0;
  }

  private dropFirst(connection: Connection): ConnectionEvent {
    const event = connection.events.shift() as ConnectionEvent;
    this.parking.remove(connection, event);
    return event;
  }

  private activate(connection: Connection): void {
    connection.isActive = true;
    this.active.add(connection);
  }

  private mayDeliver(connection: Connection, worker: WorkerPeer): boolean {
    if (worker === this.quarantine.worker) {
      if (connection.phase === "quarantined") return connection.delivered === 0;
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
    const isAlone = connection.phase === "quarantined";
    const flags = (event.isBinary ? flag.binary : 0) | (event.redelivered ? flag.redelivered : 0) | (isAlone ? flag.alone : 0);
    const at = worker.link.append({ type, flags, extra, slot, epoch }, payload);
    connection.delivered++;
    connection.deliveredBytes += payload.length;
    worker.inFlight++;
    return at;
  }
}

// A batch stays in memory for as long as one of its payloads is referred to: what stays for long gets bytes of its own.
function detachPayloads(connection: Connection): void {
  for (let index = 0; index < connection.delivered; index++) (connection.events[index] as ConnectionEvent).detach();
}
