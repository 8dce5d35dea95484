// The workers of one release as units of systemd, which starts them again when they end.

import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { WorkerHello } from "../../protocol/membership.ts";
import { CpuThrottle } from "../deploy-priority.ts";
import { ErrorTail } from "../error-tail.ts";
import type { Members } from "../members.ts";
import type { Release } from "../releases/release.ts";
import { workerRole } from "../releases/worker-role.ts";
import type { DeployPool } from "../switch-over.ts";
import { StandbyError } from "../worker-pool.ts";
import { Crashes } from "./crashes.ts";
import { journalSince, journalWritten, SystemdError, systemctl, unitStates } from "./systemd.ts";
import { drainLater, placeWorkers, workerUnits } from "./worker-units.ts";

/** From ready to active, on a machine that is busy. */
const patienceMs = 60_000;
/** How often we look whether a unit that is being started has a process. */
const lookMs = 50;

export class ServicePool implements DeployPool {
  readonly release: Release;
  readonly size: number;
  readonly units: readonly string[];
  private readonly members: Members;
  private readonly startedAt = new Date();
  private counted: Crashes | undefined;

  constructor({ release, size, members }: { release: Release; size: number; members: Members }) {
    this.release = release;
    this.size = size;
    this.units = workerUnits(release.id, size);
    this.members = members;
  }

  get hellos(): WorkerHello[] {
    const own = hostname();
    return this.members.workers.filter(({ host, release, state }) => host === own && release === this.release.id && state === "ready");
  }

  get crashes(): readonly string[] {
    return this.counted?.texts ?? [];
  }

  async ready(timeoutMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const late = AbortSignal.timeout(timeoutMs);
    const either = AbortSignal.any([signal, late]);
    const throttles = new Map<number, CpuThrottle>();
    try {
      // They end by themselves where this command does before their activation. And those that are about to end may stay.
      await drainLater(this.release.id, timeoutMs + patienceMs);
      // A gateway of 0.2 hears workers only where all speak.
      const areOlder = this.members.gateways.some(({ hearsWorkers }) => hearsWorkers !== true);
      await placeWorkers(this.release, this.units, areOlder ? "olderWorker" : workerRole(this.release.folder));
      // A unit is started when its worker has said hello.
      const starting = systemctl("start", ...this.units);
      void this.holdBack(throttles, starting);
      await unlessAborted(starting, either);
      await this.members.until(() => this.hellos.length >= this.size, either);
    } catch (error) {
      if (error instanceof SystemdError) throw new StandbyError(await this.whyNotStarted());
      if (!late.aborted || signal.aborted) throw error;
      throw StandbyError.late(this.hellos.length, this.size, this.release.id, timeoutMs);
    } finally {
      for (const cpuThrottle of throttles.values()) cpuThrottle.end();
    }
  }

  /** It has work from now on. */
  async countCrashes(): Promise<void> {
    this.counted?.stop();
    this.counted = await Crashes.of(this.units);
  }

  stopCounting(): void {
    this.counted?.stop();
  }

  async lastErrors(): Promise<readonly string[]> {
    const tail = new ErrorTail();
    await journalWritten();
    for (const unit of this.units) {
      for (const line of await journalSince(unit, this.startedAt)) tail.hear(line, line.startsWith("{") ? "stdout" : "stderr");
    }
    return tail.entries;
  }

  /** Each of those that systemd starts, as soon as it has a process. */
  private async holdBack(throttles: Map<number, CpuThrottle>, starting: Promise<unknown>): Promise<void> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    starting.then(over, over);
    for (; !isOver && throttles.size < this.size; await pause(lookMs)) {
      for (const { active, pid } of await unitStates(...this.units).catch(() => [])) {
        if (active === "activating" && pid !== 0 && !isOver && !throttles.has(pid)) throttles.set(pid, new CpuThrottle(pid));
      }
    }
  }

  private async whyNotStarted(): Promise<string> {
    const states = await unitStates(...this.units);
    const failed = states.find(({ active }) => active !== "active");
    const errors = (await this.lastErrors()).map((error) => `\n${error}`).join("");
    return `${failed?.unit ?? "a worker"} did not start.${errors}`;
  }
}

/** @throws the signal's reason; what was begun goes on. */
async function unlessAborted(action: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let leave: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    await Promise.race([action, aborted]);
  } finally {
    signal.removeEventListener("abort", leave);
    // One that is given up may still fail.
    action.catch(() => undefined);
  }
}
