// Finds the message that kills workers without closing anybody else. A worker that dies makes suspects of the connections
// whose events it had in hand. After two deaths in a row a connection's events run alone, one by one: their worker is given
// nothing else by this gateway meanwhile, and says when one begins with nothing of other gateways beside it. If the worker dies
// then, it was this event. Pure; moving and delivering are the dispatcher's part.

import type { Connection } from "./connection.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** Deaths after which a connection's events run alone. */
const suspectDeaths = 2;

export class Quarantine {
  private readonly waiting = new Set<Connection>();
  private reserved: WorkerPeer | undefined;
  private running: Connection | undefined;

  /** The worker that runs one event alone, or is about to. */
  get worker(): WorkerPeer | undefined {
    return this.reserved;
  }

  /** The connection whose events run alone. */
  get connection(): Connection | undefined {
    return this.running;
  }

  isSuspect(connection: Connection): boolean {
    return connection.deaths >= suspectDeaths;
  }

  add(connection: Connection): void {
    this.waiting.add(connection);
  }

  isWaiting(connection: Connection): boolean {
    return this.waiting.has(connection);
  }

  /** It waits no more. @returns the worker that was kept for it and is free for everybody again, where no other suspect is left. */
  remove(connection: Connection): WorkerPeer | undefined {
    if (!this.waiting.delete(connection) || this.waiting.size > 0 || this.running !== undefined) return undefined;
    const { reserved } = this;
    this.reserved = undefined;
    return reserved;
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
