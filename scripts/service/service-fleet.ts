// All crews of an installation on systemd, and which one is active. It lives as long as a command; what has to be remembered is
// on the disk and with systemd, so that a command may be killed at any moment.

import { readActivation, writeActivation } from "../../protocol/activation.ts";
import type { Activation } from "../../protocol/membership.ts";
import type { Config } from "../config.ts";
import type { Release, ReleaseStore } from "../releases/release.ts";
import { pointCurrent } from "../supervisor/current.ts";
import type { Log } from "../supervisor/log.ts";
import type { Members } from "../supervisor/members.ts";
import type { DeployCrew, DeployFleet } from "../supervisor/switch-over.ts";
import { layout } from "./layout.ts";
import { ServiceCrew } from "./service-crew.ts";
import { clearPlaces, disableOthers, drainLater, enableWorkers, keepRunning, runningReleases, stopWorkers } from "./worker-units.ts";

/** How much longer than its watch a deploy may need what was replaced: to go back to it, on a machine that is busy. */
const patienceMs = 60_000;

export interface ServiceFleetOptions {
  readonly config: Config;
  readonly members: Members;
  readonly announce: (activation: Activation) => void;
  readonly log: Pick<Log, "event">;
}

export class ServiceFleet implements DeployFleet {
  active: ServiceCrew | undefined;
  activation: Activation | undefined;
  private readonly options: ServiceFleetOptions;
  /** Replaced, and still there. */
  private readonly replaced = new Map<string, ServiceCrew>();
  private cooling: Promise<unknown> = Promise.resolve();

  private constructor(options: ServiceFleetOptions) {
    this.options = options;
  }

  /** As the last command has left it, or as it was when that one was killed. */
  static async open(releases: ReleaseStore, options: ServiceFleetOptions): Promise<ServiceFleet> {
    const fleet = new ServiceFleet(options);
    fleet.activation = readActivation(layout.activationFile);
    for (const [id, size] of await runningReleases()) {
      const release = await releases.get(id);
      if (release === undefined) continue;
      const crew = fleet.crew(release, size);
      if (id === fleet.activation?.release) fleet.active = crew;
      else fleet.replaced.set(id, crew);
    }
    // None of its workers runs at the moment.
    const release = fleet.activation === undefined || fleet.active ? undefined : await releases.get(fleet.activation.release);
    if (release !== undefined) fleet.active = fleet.crew(release, options.config.workers);
    return fleet;
  }

  /** Of everything that runs, or is to run. */
  get releases(): string[] {
    return [...(this.active === undefined ? [] : [this.active.release.id]), ...this.replaced.keys()];
  }

  warm(releaseId: string): ServiceCrew | undefined {
    return this.replaced.get(releaseId);
  }

  keepWarm({ release }: DeployCrew): Promise<void> {
    return keepRunning(release.id);
  }

  standby(release: Release, size: number): ServiceCrew {
    return this.crew(release, size);
  }

  async activate(crew: DeployCrew, generation: number): Promise<void> {
    if (!(crew instanceof ServiceCrew)) throw new TypeError("a crew of another fleet");
    const before = this.active;
    const activation = { release: crew.release.id, generation };
    await crew.countCrashes();
    // In this order: whenever the machine goes down in between, workers of the release that the record names start again.
    await enableWorkers(crew.units);
    writeActivation(layout.activationFile, activation);
    pointCurrent(crew.release, this.options.log);
    this.activation = activation;
    this.active = crew;
    this.replaced.delete(crew.release.id);
    this.options.announce(activation);
    await keepRunning(crew.release.id);
    await disableOthers(crew.units);
    for (const id of this.replaced.keys()) await drainLater(id, 0);
    this.replaced.clear();
    if (before !== undefined && before !== crew) {
      this.replaced.set(before.release.id, before);
      // Holds where this command is killed; `cool` makes it sooner.
      await drainLater(before.release.id, this.options.config.warmMs + this.options.config.watchMs + patienceMs);
    }
  }

  cool(): void {
    this.cooling = Promise.all([...this.replaced.keys()].map((id) => drainLater(id, this.options.config.warmMs)));
  }

  async discard(crew: DeployCrew, timeoutMs: number): Promise<void> {
    this.replaced.delete(crew.release.id);
    if (crew instanceof ServiceCrew) crew.stopCounting();
    await stopWorkers(crew.release.id, timeoutMs);
  }

  /** Lets go; nothing ends that runs. */
  async close(): Promise<void> {
    for (const crew of [this.active, ...this.replaced.values()]) crew?.stopCounting();
    await this.cooling;
    await clearPlaces();
  }

  private crew(release: Release, size: number): ServiceCrew {
    return new ServiceCrew({ release, size, members: this.options.members });
  }
}
