// All crews of workers, and which one is active. The crew that was replaced last stays warm for a while, so that going back
// to it is one activation.

import type { Activation } from "../../protocol/membership.ts";
import type { Release } from "../releases/release.ts";
import type { Child } from "./child.ts";
import type { Crew } from "./crew.ts";

export interface FleetOptions {
  readonly warmMs: number;
  readonly stopTimeoutMs: number;
  readonly start: (release: Release, size: number, standbys: number) => Crew;
  /** Puts it on the disk. Called before `announce`. */
  readonly record: (activation: Activation, release: Release) => void;
  /** A release that a restart shall not serve is activated: generations go on from here all the same. */
  readonly remember: (generation: number) => void;
  readonly announce: (activation: Activation) => void;
  /** A crew has been drained. */
  readonly onDrained: (crew: Crew) => void;
}

export class Fleet {
  active: Crew | undefined;
  activation: Activation | undefined;
  private readonly options: FleetOptions;
  /** Replaced, and still there. */
  private readonly replaced = new Map<Crew, NodeJS.Timeout | undefined>();
  /** Standby, or being drained. */
  private readonly others = new Set<Crew>();

  constructor(options: FleetOptions) {
    this.options = options;
  }

  get crews(): Crew[] {
    return [...(this.active === undefined ? [] : [this.active]), ...this.replaced.keys(), ...this.others];
  }

  /** The worker that is this process, of whatever crew. */
  workerOf(pid: number): Child | undefined {
    return this.crews.map((crew) => crew.workerOf(pid)).find((worker) => worker !== undefined);
  }

  /** The release that has a warm crew. */
  warm(releaseId: string): Crew | undefined {
    return [...this.replaced.keys()].find((crew) => crew.release.id === releaseId);
  }

  /** A warm crew is about to be activated: until `cool` it does not end. */
  keepWarm(crew: Crew): void {
    clearTimeout(this.replaced.get(crew));
    this.replaced.set(crew, undefined);
  }

  /** Starts workers that get no work yet: so many of them, the rest with their activation. */
  standby(release: Release, size: number, standbys = size): Crew {
    const crew = this.options.start(release, size, standbys);
    this.others.add(crew);
    return crew;
  }

  /**
   * Gives all work to a crew; from here on there is no way back but another activation.
   * @param isRecorded Whether a restart shall serve it again.
   */
  activate(crew: Crew, generation: number, { isRecorded }: { isRecorded: boolean }): void {
    const activation = { release: crew.release.id, generation };
    if (isRecorded) this.options.record(activation, crew.release);
    else this.options.remember(generation);
    this.activation = activation;
    this.options.announce(activation);
    const before = this.active;
    this.active = crew;
    crew.takeWork();
    this.others.delete(crew);
    clearTimeout(this.replaced.get(crew));
    this.replaced.delete(crew);
    for (const old of this.replaced.keys()) void this.drain(old);
    if (before !== undefined && before !== crew) this.replaced.set(before, undefined);
  }

  /** From now on, what was replaced stays warm for WARM_MS: nobody watches the active crew any more. */
  cool(): void {
    for (const crew of this.replaced.keys()) {
      clearTimeout(this.replaced.get(crew));
      this.replaced.set(
        crew,
        setTimeout(() => void this.drain(crew), this.options.warmMs),
      );
    }
  }

  /** Drains a crew that is not active, now. */
  async drain(crew: Crew): Promise<void> {
    clearTimeout(this.replaced.get(crew));
    this.replaced.delete(crew);
    this.others.add(crew);
    await crew.stop(this.options.stopTimeoutMs);
    if (this.others.delete(crew)) this.options.onDrained(crew);
  }

  /** Ends a crew that will not be activated, or not again. */
  async discard(crew: Crew, timeoutMs: number): Promise<void> {
    clearTimeout(this.replaced.get(crew));
    this.replaced.delete(crew);
    this.others.add(crew);
    await crew.stop(timeoutMs);
    this.others.delete(crew);
  }

  /** Drains the crews that the active one has replaced without waiting for them to cool. */
  drainReplaced(): void {
    for (const crew of this.replaced.keys()) void this.drain(crew);
  }

  async stop(timeoutMs: number): Promise<void> {
    for (const timer of this.replaced.values()) clearTimeout(timer);
    await Promise.all(this.crews.map((crew) => crew.stop(timeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.crews.map((crew) => crew.kill()));
  }
}
