// All pools of an installation on systemd, and which one is active. It lives as long as a command; what has to be remembered is
// on the disk and with systemd, so that a command may be killed at any moment.

import { readActivation, writeActivation } from "../../process/activation-file.ts";
import type { Activation } from "../../protocol/membership.ts";
import type { Config } from "../config.ts";
import { pointCurrent } from "../current.ts";
import type { Log } from "../log-display.ts";
import type { Members } from "../members.ts";
import type { Release, ReleaseStore } from "../releases/release.ts";
import { type ActivateOptions, activationOf, type DeployPool, type DeployPools } from "../switch-over.ts";
import { layout } from "./layout.ts";
import { ServicePool } from "./service-pool.ts";
import { clearPlaces, disableOthers, drainLater, enableWorkers, keepRunning, runningReleases, stopWorkers } from "./worker-units.ts";

/** How much longer than its watch a deploy may need what was replaced: to go back to it, on a machine that is busy. */
const patienceMs = 60_000;

export interface ServicePoolsOptions {
  readonly config: Config;
  readonly members: Members;
  readonly announce: (activation: Activation) => void;
  readonly log: Pick<Log, "event">;
}

export class ServicePools implements DeployPools {
  active: ServicePool | undefined;
  activation: Activation | undefined;
  private readonly options: ServicePoolsOptions;
  /** Replaced, and still there. */
  private readonly replaced = new Map<string, ServicePool>();
  private cooling: Promise<unknown> = Promise.resolve();

  private constructor(options: ServicePoolsOptions) {
    this.options = options;
  }

  /** As the last command has left it, or as it was when that one was killed. */
  static async open(releases: ReleaseStore, options: ServicePoolsOptions): Promise<ServicePools> {
    const pools = new ServicePools(options);
    pools.activation = readActivation(layout.activationFile);
    for (const [id, size] of await runningReleases()) {
      const release = await releases.get(id);
      if (release === undefined) continue;
      const pool = pools.pool(release, size);
      if (id === pools.activation?.release) pools.active = pool;
      else pools.replaced.set(id, pool);
    }
    // None of its workers runs at the moment.
    const release = pools.activation === undefined || pools.active ? undefined : await releases.get(pools.activation.release);
    if (release !== undefined) pools.active = pools.pool(release, options.config.workers);
    return pools;
  }

  /** Of everything that runs, or is to run. */
  get releases(): string[] {
    return [...(this.active === undefined ? [] : [this.active.release.id]), ...this.replaced.keys()];
  }

  warm(releaseId: string): ServicePool | undefined {
    return this.replaced.get(releaseId);
  }

  keepWarm({ release }: DeployPool): Promise<void> {
    return keepRunning(release.id);
  }

  standby(release: Release, size: number): ServicePool {
    return this.pool(release, size);
  }

  async activate(pool: DeployPool, generation: number, { trialMs }: ActivateOptions): Promise<void> {
    if (!(pool instanceof ServicePool)) throw new TypeError("a pool of another installation");
    const before = this.active;
    const activation = activationOf(pool, generation, trialMs);
    await pool.countCrashes();
    // In this order: whenever the machine goes down in between, workers of the release that the record names start again.
    await enableWorkers(pool.units);
    writeActivation(layout.activationFile, activation);
    pointCurrent(pool.release, this.options.log);
    this.activation = activation;
    this.active = pool;
    this.replaced.delete(pool.release.id);
    this.options.announce(activation);
    await keepRunning(pool.release.id);
    await disableOthers(pool.units);
    for (const id of this.replaced.keys()) await drainLater(id, 0);
    this.replaced.clear();
    if (before !== undefined && before !== pool) {
      this.replaced.set(before.release.id, before);
      // Holds where this command is killed; `cool` makes it sooner.
      await drainLater(before.release.id, this.options.config.warmMs + this.options.config.watchMs + patienceMs);
    }
  }

  cool(): void {
    this.cooling = Promise.all([...this.replaced.keys()].map((id) => drainLater(id, this.options.config.warmMs)));
  }

  async discard(pool: DeployPool, timeoutMs: number): Promise<void> {
    this.replaced.delete(pool.release.id);
    if (pool instanceof ServicePool) pool.stopCounting();
    await stopWorkers(pool.release.id, timeoutMs);
  }

  /** Lets go; nothing ends that runs. */
  async close(): Promise<void> {
    for (const pool of [this.active, ...this.replaced.values()]) pool?.stopCounting();
    await this.cooling;
    await clearPlaces();
  }

  private pool(release: Release, size: number): ServicePool {
    return new ServicePool({ release, size, members: this.options.members });
  }
}
