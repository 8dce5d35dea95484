// Who may be given work: the workers of the active release that do not drain, once the onStart of each is done; until then the
// workers that had the work before. Balanced by how many connections each has. Pure.

import { type Activation, laterActivation, type RouteHello } from "../protocol/membership.ts";
import { matchRoute, type RouteMatch } from "../protocol/route-table.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export class Candidates {
  private readonly workers = new Map<string, WorkerPeer>();
  private active: Activation | undefined;
  private elected: readonly WorkerPeer[] = [];
  /** Of the activation whose workers were elected; 0: none. */
  generation = 0;

  get all(): readonly WorkerPeer[] {
    return this.elected;
  }

  get activation(): Activation | undefined {
    return this.active;
  }

  /** Those that may not be given work, too. */
  get known(): Iterable<WorkerPeer> {
    return this.workers.values();
  }

  add(worker: WorkerPeer): void {
    this.workers.set(worker.id, worker);
    this.elect();
  }

  /** @returns whether it was there. */
  remove(worker: WorkerPeer): boolean {
    const wasThere = this.workers.delete(worker.id);
    this.elect();
    return wasThere;
  }

  /** @returns whether it is news: the highest generation wins. */
  activate(activation: Activation): boolean {
    const later = laterActivation(this.active, activation);
    if (later === this.active) return false;
    this.active = later;
    this.elect();
    return true;
  }

  /** To be called when a worker has begun to drain, or is starting no more. */
  elect(): void {
    const active = [...this.workers.values()].filter((worker) => worker.release === this.active?.release && !worker.isDraining);
    const generation = this.active?.generation ?? 0;
    if (generation !== this.generation && active.some((worker) => worker.isStarting)) {
      const before = this.elected.filter((worker) => this.workers.get(worker.id) === worker && !worker.isDraining);
      if (before.length > 0) {
        this.elected = before;
        return;
      }
    }
    this.elected = active.filter((worker) => !worker.isStarting);
    this.generation = generation;
  }

  /** @returns undefined while there is none; null where none of their routes fits. */
  route(path: string): RouteMatch<RouteHello> | null | undefined {
    const [worker] = this.elected;
    return worker === undefined ? undefined : (matchRoute(worker.table, path) ?? null);
  }

  /** @param reserved is not among those to choose from. */
  leastLoaded(reserved: WorkerPeer | undefined): WorkerPeer | undefined {
    let best: WorkerPeer | undefined;
    for (const worker of this.elected) {
      if (worker !== reserved && (best === undefined || worker.pins < best.pins)) best = worker;
    }
    return best;
  }

  /** Whether another one has so many less that one connection should move. @param reserved takes none. */
  isAhead(worker: WorkerPeer, reserved: WorkerPeer | undefined): boolean {
    return this.elected.some((other) => other !== worker && other !== reserved && other.pins + 1 < worker.pins);
  }

  /**
   * How many connections each may keep. Those that have most get what cannot be divided evenly: less has to move.
   * @param reserved keeps those that it has, and takes none.
   */
  shares(connections: number, reserved: WorkerPeer | undefined): Map<WorkerPeer, number> {
    const open = this.elected.filter((worker) => worker !== reserved).sort((a, b) => b.pins - a.pins);
    const kept = reserved !== undefined && this.elected.includes(reserved) ? [[reserved, reserved.pins] as const] : [];
    const shared = connections - kept.reduce((sum, [, pins]) => sum + pins, 0);
    const shares = open.map((worker, index) => [worker, Math.floor((shared + open.length - 1 - index) / open.length)] as const);
    return new Map([...kept, ...shares]);
  }
}
