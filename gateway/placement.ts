// Moves idle connections to the workers that should have them: from workers that were lost, to workers where none was there, and
// away from those that drain, were replaced or have more than their share. However many there are, the event loop is held up for one
// slice at a time. Nothing here is urgent: what has a message is moved at once, by the dispatcher. Pure.

import type { Candidates } from "./candidates.ts";
import type { Connection } from "./connection.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** How long one slice may hold up the event loop. */
export const sliceMs = 5;

export interface PlacementOptions {
  readonly candidates: Candidates;
  readonly now: () => number;
  /** Runs the next slice, once the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  readonly sliceMs: number;
  /** Of all workers. */
  readonly connections: () => number;
  /** Whether a worker may be given a connection at all: the only candidate may be reserved for a suspect. */
  readonly hasRoom: () => boolean;
  /** The connection's worker was lost. */
  readonly replace: (connection: Connection) => void;
  /** The connection has no worker. It has one afterwards, or is not among the unpinned any more. */
  readonly assign: (connection: Connection) => void;
  /** The connection's worker should not have it. */
  readonly moveAway: (connection: Connection, worker: WorkerPeer) => void;
}

export class Placement {
  /** Those that have no worker because there was none, the oldest first. */
  readonly unpinned = new Set<Connection>();
  private readonly options: PlacementOptions;
  private readonly lost = new Set<WorkerPeer>();
  private pass: Iterator<void> | undefined;
  private rebalances = false;
  private isRunning = false;
  private isScheduled = false;

  constructor(options: PlacementOptions) {
    this.options = options;
  }

  /** Whether everything is where it should be. */
  get isDone(): boolean {
    return this.pass === undefined;
  }

  /** A worker was lost, and its idle connections are still its own. To be followed by `restart`. */
  lose(worker: WorkerPeer): void {
    this.lost.add(worker);
  }

  /**
   * Workers or the activation have changed: the first slice runs before this returns, unless one is to run anyway.
   * @param rebalances Whether connections leave a worker that is there.
   */
  restart(rebalances: boolean): void {
    this.rebalances = rebalances || (this.pass !== undefined && this.rebalances);
    this.pass = this.moves();
    if (!this.isRunning && !this.isScheduled) this.slice();
  }

  private slice(): void {
    const { now, later, sliceMs: budgetMs } = this.options;
    const until = now() + budgetMs;
    this.isRunning = true;
    try {
      do {
        // A move may have begun another pass.
        const { pass } = this;
        if (pass?.next().done && pass === this.pass) this.pass = undefined;
      } while (this.pass !== undefined && now() < until);
    } finally {
      this.isRunning = false;
    }
    if (this.pass === undefined) return;
    this.isScheduled = true;
    later(() => {
      this.isScheduled = false;
      this.slice();
    });
  }

  // Sets may be changed while they are iterated: what was taken out is not met any more, what was added is.
  private *moves(): Generator<void> {
    for (const worker of this.lost) {
      for (const connection of worker.pinned) yield this.options.replace(connection);
      for (const connection of worker.leaving) yield this.options.replace(connection);
      this.lost.delete(worker);
    }
    for (const connection of this.unpinned) {
      if (!this.options.hasRoom()) break;
      yield this.options.assign(connection);
    }
    if (!this.rebalances) return;
    const { candidates, connections } = this.options;
    // Once for all: what cannot be divided evenly would else be left to one after the other.
    const shares = candidates.shares(connections());
    for (const worker of candidates.known) yield* this.surplus(worker, shares.get(worker));
  }

  /** @param share undefined: the worker is no candidate. */
  private *surplus(worker: WorkerPeer, share: number | undefined): Generator<void> {
    const { candidates, moveAway } = this.options;
    if (share === undefined && !worker.isDraining && candidates.all.length === 0) return;
    for (const connection of worker.pinned) {
      if (share !== undefined && worker.pins <= share) return;
      yield moveAway(connection, worker);
    }
  }
}
