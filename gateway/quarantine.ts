// Runs the events of suspects alone, one suspect after the other: their worker is given nothing else by this gateway meanwhile, and
// says when one begins with nothing of other gateways beside it. If the worker dies then, it was this event. Pure; moving and delivering
// are the part of transitions.ts.

import type { Connection } from "./connection.ts";
import { ConnectionList } from "./connection-list.ts";
import type { Alone } from "./crash-attribution.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export class Quarantine {
  /** Suspects that are to run alone. */
  private readonly queue = new ConnectionList();
  private reserved: WorkerPeer | undefined;
  private running: Connection | undefined;
  private hasBegun = false;

  /** The worker that runs one connection's events alone, or is about to: it is given nothing else. */
  get worker(): WorkerPeer | undefined {
    return this.reserved;
  }

  /** The connection whose events run alone. */
  get connection(): Connection | undefined {
    return this.running;
  }

  aloneness(connection: Connection): Alone {
    if (connection !== this.running) return "not";
    return this.hasBegun ? "begun" : "toRun";
  }

  add(connection: Connection): void {
    this.queue.add(connection);
  }

  /** It is no suspect any more, or has ended. @returns the worker that was reserved for it and is free, if no other suspect is left. */
  remove(connection: Connection): WorkerPeer | undefined {
    return this.queue.delete(connection) && this.running === undefined ? this.freeReserved() : undefined;
  }

  /**
   * Reserves a worker if there is a suspect, and waits until it has nothing in hand.
   * @returns what is to run alone now, and where.
   */
  next(candidates: readonly WorkerPeer[]): { connection: Connection; worker: WorkerPeer } | undefined {
    if (this.running !== undefined) return undefined;
    const connection = this.queue.first;
    if (connection === undefined) return undefined;
    // The one that is quiet soonest.
    this.reserved ??= candidates.toSorted((a, b) => a.inFlight - b.inFlight)[0];
    if (this.reserved === undefined || this.reserved.inFlight > 0) return undefined;
    this.queue.delete(connection);
    this.running = connection;
    this.hasBegun = false;
    return { connection, worker: this.reserved };
  }

  /** The worker says that what it was given runs, with nothing beside it. */
  begin(connection: Connection): void {
    if (connection === this.running) this.hasBegun = true;
  }

  /** An event that ran alone has committed: the next one has not begun. */
  committed(connection: Connection): void {
    if (connection === this.running) this.hasBegun = false;
  }

  /** What ran alone is done, or has been taken back. @returns the worker that is free, if no other suspect is left. */
  end(): WorkerPeer | undefined {
    this.running = undefined;
    return this.freeReserved();
  }

  /** @returns the worker that was reserved, and is no candidate any more, if nothing runs there. */
  leaveUnless(candidates: readonly WorkerPeer[]): WorkerPeer | undefined {
    const { reserved } = this;
    if (reserved === undefined || this.running !== undefined || candidates.includes(reserved)) return undefined;
    this.reserved = undefined;
    return reserved;
  }

  private freeReserved(): WorkerPeer | undefined {
    if (this.queue.size > 0) return undefined;
    const { reserved } = this;
    this.reserved = undefined;
    return reserved;
  }
}
