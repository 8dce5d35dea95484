// Moves connections to the workers that should have them: from workers that were lost, those with events first; to workers where none was
// there; and away from those that drain, were replaced or have more than their share. However many there are, the event loop is held up
// for one slice at a time. An idle connection that gets a message does not wait for its slice: see Transitions.hurry. Pure.

import { sliceMs } from "../process/time-slice.ts";
import type { Candidates } from "./candidates.ts";
import type { Connection } from "./connection.ts";
import { ConnectionList } from "./connection-list.ts";
import { Stays } from "./stays.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface PlacementLimits {
  /** How long one slice may hold up the event loop. */
  readonly sliceMs: number;
  /**
   * How many idle connections a worker is asked to give back at a time. It gives each of them back at once, so that none has to wait
   * for the others. Those with turns under way are beyond that: they take as long as they take.
   */
  readonly returning: number;
}

/**
 * `returning`, measured with 15,000 connections and 5,000 messages a second (npm run bench -- --only deploys-many), median pause of a
 * connection: 100: 1.3 ms, 250: 2.6 ms, 500: 4.7 ms, all at once: 116 ms.
 */
export const placementLimits: PlacementLimits = { sliceMs, returning: 100 };

export interface PlacementOptions {
  readonly candidates: Candidates;
  readonly now: () => number;
  /** Runs the next slice, once the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  readonly limits: PlacementLimits;
  /** Of all workers. */
  readonly connections: () => number;
  /** Those that have events, and others. */
  readonly busy: () => Iterable<Connection>;
  /** Takes no connection: a suspect runs there, or is about to. */
  readonly reserved: () => WorkerPeer | undefined;
  /** Whether a worker may be given a connection at all: the only candidate may be reserved for a suspect. */
  readonly hasRoom: () => boolean;
  /** The connection's worker was lost. */
  readonly replace: (connection: Connection) => void;
  /** The connection has no worker. It has one afterwards, or is not among the parked any more. */
  readonly place: (connection: Connection) => void;
  /** The connection's worker should not have it. */
  readonly moveAway: (connection: Connection) => void;
}

/** So many that stay where they are cost less than moving one. */
const passedAtOnce = 100;

/** What a step of a pass has done: moved a connection, or found that workers have to give some back first. */
type Step = "moved" | "waits";

/**
 * idle: no pass is under way. running: a slice of one is. scheduled: its next slice runs when its turn in the event loop has come.
 * waiting: the next slice runs when a worker has given something back.
 */
type PassState = "idle" | "running" | "scheduled" | "waiting";

export class Placement {
  /** Those that have no worker because there was none, the oldest first. */
  readonly parked = new ConnectionList();
  readonly stays: Stays;
  private readonly options: PlacementOptions;
  /** Workers that were lost, until a pass finds that none of their connections is left. */
  private readonly lost = new Set<WorkerPeer>();
  private pass: Generator<Step, void> | undefined;
  private rebalances = false;
  private state: PassState = "idle";

  constructor(options: PlacementOptions) {
    this.options = options;
    this.stays = new Stays({ now: options.now, isToMove: (connection) => this.isToMove(connection), move: options.moveAway });
  }

  /** Whether no pass is under way. */
  get isDone(): boolean {
    return this.state === "idle";
  }

  /** Connections that are with a worker that should not have them. */
  get remaining(): number {
    const { candidates } = this.options;
    const isCandidate = new Set(candidates.all);
    let sum = 0;
    for (const worker of [...candidates.known, ...this.lost]) sum += worker.leaving.size + (isCandidate.has(worker) ? 0 : worker.pins);
    return sum;
  }

  /** A worker was lost, and its connections are still its own. To be followed by `restart`. */
  lose(worker: WorkerPeer): void {
    this.lost.add(worker);
  }

  /**
   * Workers or the activation have changed: the first slice runs before this returns, unless one is to run anyway.
   * @param rebalances Whether connections leave a worker that is there.
   */
  restart(rebalances: boolean): void {
    this.rebalances = rebalances || (this.state !== "idle" && this.rebalances);
    // One that is running is given up when its step is done.
    if (this.state !== "running") this.pass?.return();
    this.pass = this.moves();
    if (this.state === "idle" || this.state === "waiting") this.slice();
  }

  /** A worker has given one back, or was lost: where the pass has waited for that, it goes on. */
  returned(): void {
    if (this.state === "waiting") this.schedule();
  }

  private slice(): void {
    const { now, limits } = this.options;
    const until = now() + limits.sliceMs;
    this.state = "running";
    // What throws here was not caught as a connection's own: the pass goes on behind it.
    let step: Step | "done" = "moved";
    try {
      do step = this.step();
      while (step === "moved" && now() < until);
    } finally {
      if (step === "moved") this.schedule();
      else this.state = step === "done" ? "idle" : "waiting";
    }
  }

  private step(): Step | "done" {
    const { pass } = this;
    const result = pass?.next();
    // The step may have begun another pass.
    if (pass !== this.pass) {
      pass?.return();
      return "moved";
    }
    if (result?.value !== undefined) return result.value;
    this.pass = undefined;
    return "done";
  }

  private schedule(): void {
    this.state = "scheduled";
    this.options.later(() => this.slice());
  }

  // The lists change while they are iterated: what was taken out is not met any more, what was added is.
  private *moves(): Generator<Step, void> {
    const { replace, place, hasRoom } = this.options;
    if (this.lost.size > 0) yield* this.replaceBusy();
    for (const worker of this.lost) {
      for (const connections of [worker.pinned, worker.leaving]) {
        for (const connection of connections) {
          replace(connection);
          yield "moved";
        }
      }
      // Those with a commit that is held back stay, and are replaced behind it.
      if (worker.pins + worker.leaving.size === 0) this.lost.delete(worker);
    }
    for (const connection of this.parked) {
      if (!hasRoom()) break;
      place(connection);
      yield "moved";
    }
    if (this.rebalances) yield* this.rebalance();
  }

  // Those that have events, of all workers that were lost.
  private *replaceBusy(): Generator<Step, void> {
    const { busy, replace } = this.options;
    let passed = 0;
    for (const connection of busy()) {
      if (connection.worker?.loss !== undefined && connection.events.length > 0) replace(connection);
      else if (++passed % passedAtOnce > 0) continue;
      yield "moved";
    }
  }

  // One of each worker in turn: one that is slow to give back holds up no other.
  private *rebalance(): Generator<Step, void> {
    const { candidates, connections, reserved } = this.options;
    // Once for all: what cannot be divided evenly would else be left to one after the other.
    const shares = candidates.shares(connections(), reserved());
    const surpluses = new Set([...candidates.known].map((worker) => this.surplus(worker, shares.get(worker))));
    try {
      while (surpluses.size > 0) {
        let hasMoved = false;
        for (const surplus of surpluses) {
          const { value, done } = surplus.next();
          if (done) surpluses.delete(surplus);
          else if (value === "moved") {
            hasMoved = true;
            yield value;
          }
        }
        if (!hasMoved && surpluses.size > 0) yield "waits";
      }
    } finally {
      for (const surplus of surpluses) surplus.return();
    }
  }

  /** @param share undefined: the worker is no candidate. */
  private *surplus(worker: WorkerPeer, share: number | undefined): Generator<Step, void> {
    const { candidates, moveAway, limits, reserved } = this.options;
    if (share === undefined && !worker.isDraining && candidates.all.length === 0) return;
    for (const connection of worker.pinned) {
      while (worker.returning >= limits.returning) yield "waits";
      // The share is from when the pass began. Where others have opened since, who gives back would get the same ones again.
      if (share !== undefined && (worker.pins <= share || !candidates.isAhead(worker, reserved()))) return;
      // It may have gone while this has waited.
      if (connection.worker !== worker || connection.phase !== "pinned" || this.stays.passesOver(connection)) continue;
      moveAway(connection);
      yield "moved";
    }
  }

  private isToMove({ worker }: Connection): boolean {
    const { all } = this.options.candidates;
    return worker !== undefined && !all.includes(worker) && (worker.isDraining || all.length > 0);
  }
}
