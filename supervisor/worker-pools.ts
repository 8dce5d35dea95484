// All pools of workers, and which one is active. The pool that was replaced last stays warm for a while, so that going back
// to it is one activation.

import { type Activation, withoutTrial } from "../protocol/membership.ts";
import type { ActivationRecord } from "./activation-record.ts";
import type { Child } from "./child.ts";
import type { Release } from "./releases/release.ts";
import { type ActivateOptions, activationOf } from "./switch-over.ts";
import type { WorkerPool } from "./worker-pool.ts";

export interface WorkerPoolsOptions {
  readonly warmMs: number;
  readonly stopTimeoutMs: number;
  readonly start: (release: Release, size: number, standbys: number) => WorkerPool;
  /** Written before `announce`. */
  readonly record: Pick<ActivationRecord, "write" | "writeGeneration">;
  readonly announce: (activation: Activation) => void;
  /** A pool has been drained. */
  readonly onDrained: (pool: WorkerPool) => void;
}

export class WorkerPools {
  active: WorkerPool | undefined;
  activation: Activation | undefined;
  private readonly options: WorkerPoolsOptions;
  /** Replaced, and still there. */
  private readonly replaced = new Map<WorkerPool, NodeJS.Timeout | undefined>();
  /** Standby, or being drained. */
  private readonly others = new Set<WorkerPool>();

  constructor(options: WorkerPoolsOptions) {
    this.options = options;
  }

  get pools(): WorkerPool[] {
    return [...(this.active === undefined ? [] : [this.active]), ...this.replaced.keys(), ...this.others];
  }

  /** The worker that is this process, of whatever pool. */
  workerOf(pid: number): Child | undefined {
    return this.pools.map((pool) => pool.workerOf(pid)).find((worker) => worker !== undefined);
  }

  /** The release that has a warm pool. */
  warm(releaseId: string): WorkerPool | undefined {
    return [...this.replaced.keys()].find((pool) => pool.release.id === releaseId);
  }

  /** A warm pool is about to be activated: until `cool` it does not end. */
  keepWarm(pool: WorkerPool): void {
    clearTimeout(this.replaced.get(pool));
    this.replaced.set(pool, undefined);
  }

  /** Starts workers that get no work yet: so many of them, the rest with their activation. */
  standby(release: Release, size: number, standbys = size): WorkerPool {
    const pool = this.options.start(release, size, standbys);
    this.others.add(pool);
    return pool;
  }

  /**
   * Gives all work to a pool; from here on there is no way back but another activation.
   */
  activate(pool: WorkerPool, generation: number, { isRecorded, trialMs }: ActivateOptions): void {
    const activation = activationOf(pool, generation, trialMs);
    if (isRecorded) this.options.record.write(activation, pool.release);
    else this.options.record.writeGeneration(generation);
    this.activation = activation;
    this.options.announce(activation);
    const before = this.active;
    this.active = pool;
    pool.takeWork();
    this.others.delete(pool);
    clearTimeout(this.replaced.get(pool));
    this.replaced.delete(pool);
    for (const old of this.replaced.keys()) void this.drain(old);
    if (before !== undefined && before !== pool) this.replaced.set(before, undefined);
  }

  /** From now on, what was replaced stays warm for WARM_MS: nobody watches the active pool any more. */
  cool(): void {
    if (this.activation !== undefined) this.activation = withoutTrial(this.activation);
    for (const pool of this.replaced.keys()) {
      clearTimeout(this.replaced.get(pool));
      this.replaced.set(
        pool,
        setTimeout(() => void this.drain(pool), this.options.warmMs),
      );
    }
  }

  /** Drains a pool that is not active, now. */
  async drain(pool: WorkerPool): Promise<void> {
    clearTimeout(this.replaced.get(pool));
    this.replaced.delete(pool);
    this.others.add(pool);
    await pool.stop(this.options.stopTimeoutMs);
    if (this.others.delete(pool)) this.options.onDrained(pool);
  }

  /** Ends a pool that will not be activated, or not again. */
  async discard(pool: WorkerPool, timeoutMs: number): Promise<void> {
    clearTimeout(this.replaced.get(pool));
    this.replaced.delete(pool);
    this.others.add(pool);
    await pool.stop(timeoutMs);
    this.others.delete(pool);
  }

  /** Drains the pools that the active one has replaced without waiting for them to cool. */
  drainReplaced(): void {
    for (const pool of this.replaced.keys()) void this.drain(pool);
  }

  async stop(timeoutMs: number): Promise<void> {
    for (const timer of this.replaced.values()) clearTimeout(timer);
    await Promise.all(this.pools.map((pool) => pool.stop(timeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.kill()));
  }
}
