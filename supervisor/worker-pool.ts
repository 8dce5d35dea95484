// The workers of one release. A pool begins as standby; which one is active is decided by worker-pools.ts.

import { setImmediate as endOfStep } from "node:timers/promises";
import type { WorkerHello } from "../protocol/membership.ts";
import type { Child, Exit } from "./child.ts";
import { exitText } from "./child.ts";
import { CpuThrottle } from "./deploy-priority.ts";
import { type ErrorTail, lastErrors } from "./error-tail.ts";
import type { Members } from "./members.ts";
import type { Release } from "./releases/release.ts";
import { Restarter } from "./restarter.ts";

const keptCrashes = 8;

/** New workers did not become ready. */
export class StandbyError extends Error {
  /** @param ready How many of them were. */
  static late(ready: number, size: number, release: string, timeoutMs: number): StandbyError {
    const text = `${ready} of ${size} workers of release ${release} were ready after ${timeoutMs / 1000} s (READY_TIMEOUT_MS).`;
    return new StandbyError(`${text} A machine that is busy may need a longer time.`);
  }
}

export interface WorkerPoolOptions {
  readonly release: Release;
  readonly size: number;
  /** How many of them begin as standby; the rest starts when the pool gets work. */
  readonly standbys: number;
  readonly members: Members;
  readonly spawn: (release: Release, index: number) => Child;
  readonly onEnd: (child: Child, text: string, exit: Exit) => void;
}

export class WorkerPool {
  readonly release: Release;
  readonly size: number;
  private readonly options: WorkerPoolOptions;
  private readonly keepers: Restarter[] = [];
  private readonly failure = new AbortController();
  /** Ends that nobody asked for, since it has had work: the first ones. */
  readonly crashes: string[] = [];
  /** What those that have ended said last. */
  private readonly endedErrors: ErrorTail[] = [];
  /** Of those that have no work yet. */
  private readonly throttles: CpuThrottle[] = [];
  /** Once it has work, a worker that ends is started again; before, its end fails the deploy. */
  private hasWork = false;

  constructor(options: WorkerPoolOptions) {
    this.release = options.release;
    this.size = options.size;
    this.options = options;
    this.start(options.standbys);
  }

  /** It is the active pool from now on. */
  takeWork(): void {
    this.hasWork = true;
    this.start(this.size);
  }

  /** Hellos of this pool's workers. */
  get hellos(): WorkerHello[] {
    return this.options.members.workersAmong(this.pids);
  }

  get pids(): number[] {
    return this.keepers.flatMap((restarter) => restarter.child?.pid ?? []);
  }

  workerOf(pid: number): Child | undefined {
    return this.keepers.find(({ child }) => child?.pid === pid)?.child;
  }

  /**
   * Resolves when all that were started have said hello.
   * @throws {StandbyError} when one has ended, or time is up.
   * @throws the signal's reason.
   */
  async ready(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const late = AbortSignal.timeout(timeoutMs);
    try {
      await this.options.members.until(() => this.isReady, AbortSignal.any([signal, this.failure.signal, late]));
    } catch (error) {
      if (!late.aborted || signal.aborted || this.failure.signal.aborted) throw error;
      const count = this.hellos.filter((hello) => hello.state === "ready").length;
      throw StandbyError.late(count, this.keepers.length, this.release.id, timeoutMs);
    } finally {
      for (const cpuThrottle of this.throttles) cpuThrottle.end();
    }
  }

  /**
   * The last errors of its workers, each once with how often it came; an entry may have several lines.
   * @returns also those that they have written before this was asked, and that have not been read from their pipes.
   */
  async lastErrors(): Promise<string[]> {
    // Whoever asks may have heard through NATS what came of an error that waits in a pipe. This step of the event loop may have looked at
    // the pipes already; the next one looks at all of them before it ends.
    await endOfStep();
    await endOfStep();
    const living = this.keepers.flatMap(({ child }) => child?.errors ?? []);
    return lastErrors([...this.endedErrors, ...living]);
  }

  get isReady(): boolean {
    return this.hellos.filter((hello) => hello.state === "ready" && hello.release === this.release.id).length === this.keepers.length;
  }

  /** Each drains, and is killed where that takes too long. */
  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.keepers.map((restarter) => restarter.stop(timeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.keepers.map((restarter) => restarter.kill()));
  }

  private meetEnd(child: Child, exit: Exit): void {
    const text = `${child.name} ${exitText(exit)}${child.killedFor === undefined ? "" : `: ${child.killedFor}`}`;
    if (!this.hasWork) {
      const tail = child.errors.entries.map((entry) => `\n${entry}`).join("");
      this.failure.abort(new StandbyError(`${text}.${tail}`));
      return;
    }
    if (this.crashes.length < keptCrashes) this.crashes.push(text);
    this.endedErrors.push(child.errors);
    if (this.endedErrors.length > keptCrashes) this.endedErrors.shift();
  }

  /** Starts workers until there are so many. */
  private start(count: number): void {
    const { release, spawn, onEnd } = this.options;
    for (let index = this.keepers.length; index < count; index++) {
      const restarter = new Restarter({
        start: () => {
          const child = spawn(release, index);
          if (!this.hasWork) this.throttles.push(new CpuThrottle(child.pid));
          return child;
        },
        isKept: () => this.hasWork,
        isProven: ({ hasServed }) => hasServed,
        onEnd: (child, text, exit) => {
          this.meetEnd(child, exit);
          onEnd(child, text, exit);
        },
      });
      this.keepers.push(restarter);
    }
  }
}
