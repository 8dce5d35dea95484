// Finds the message that kills workers without closing anybody else. A worker that dies leaves the first uncommitted event of
// each of its connections suspect. One that was suspect twice runs alone: its worker is given nothing else meanwhile. If
// that worker dies too, it was this event. Pure; moving and delivering are the dispatcher's part.

import type { Connection } from "./connection.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** Deaths after which an event runs alone, and after which it is set aside. */
const suspectDeaths = 2;
const provenDeaths = 3;

export class Isolation {
  private readonly waiting = new Set<Connection>();
  private reserved: WorkerPeer | undefined;
  private running: Connection | undefined;

  /** The worker that runs one event alone, or is about to. */
  get worker(): WorkerPeer | undefined {
    return this.reserved;
  }

  /** The connection whose event runs alone. */
  get connection(): Connection | undefined {
    return this.running;
  }

  isSuspect(connection: Connection): boolean {
    return deathsOf(connection) >= suspectDeaths;
  }

  isProven(connection: Connection): boolean {
    return deathsOf(connection) >= provenDeaths;
  }

  add(connection: Connection): void {
    this.waiting.add(connection);
  }

  remove(connection: Connection): void {
    this.waiting.delete(connection);
  }

  /**
   * Reserves a worker if there is a suspect, and waits until it has nothing in hand.
   * @returns what is to run alone now, and where.
   */
  next(candidates: readonly WorkerPeer[]): { connection: Connection; worker: WorkerPeer } | undefined {
    if (this.running !== undefined) return undefined;
    const [connection] = this.waiting;
    if (connection === undefined) return undefined;
    if (this.reserved !== undefined && !candidates.includes(this.reserved)) this.reserved = undefined;
    // The one that is quiet soonest.
    this.reserved ??= candidates.toSorted((a, b) => a.inFlight - b.inFlight)[0];
    if (this.reserved === undefined || this.reserved.inFlight > 0) return undefined;
    this.waiting.delete(connection);
    this.running = connection;
    return { connection, worker: this.reserved };
  }

  /** What ran alone has committed. @returns whether there is no other suspect, and the worker is free for everybody again. */
  done(): boolean {
    this.running = undefined;
    if (this.waiting.size > 0) return false;
    this.reserved = undefined;
    return true;
  }

  /** The reserved worker has gone, or must not be waited for. */
  end(): void {
    this.reserved = undefined;
    this.running = undefined;
  }
}

/** The worker that had the connection has died: what it may have died of. */
export function blame(connection: Connection, isAdopting: boolean): void {
  const [first] = connection.events;
  if (isAdopting) connection.adoptionDeaths++;
  else if (first !== undefined) first.deaths++;
}

function deathsOf(connection: Connection): number {
  return Math.max(connection.adoptionDeaths, connection.events[0]?.deaths ?? 0);
}
