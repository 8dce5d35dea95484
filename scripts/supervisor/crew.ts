// The workers of one release. A crew begins as standby; which one is active is the fleet's business.

import type { WorkerHello } from "../../protocol/membership.ts";
import type { Release } from "../releases/release.ts";
import type { Child, Exit } from "./child.ts";
import { exitText } from "./child.ts";
import { Keeper } from "./keeper.ts";
import type { Members } from "./members.ts";

/** New workers did not become ready. */
export class StandbyError extends Error {}

export interface CrewOptions {
  readonly release: Release;
  readonly size: number;
  readonly members: Members;
  readonly spawn: (release: Release, index: number) => Child;
  readonly onEnd: (child: Child, text: string, exit: Exit) => void;
}

export class Crew {
  readonly release: Release;
  private readonly members: Members;
  private readonly keepers: Keeper[];
  private readonly failure = new AbortController();
  /** Once it has work, a worker that ends is started again; before, its end fails the deploy. */
  isKept = false;

  constructor({ release, size, members, spawn, onEnd }: CrewOptions) {
    this.release = release;
    this.members = members;
    this.keepers = Array.from({ length: size }, (_, index) => {
      return new Keeper({
        start: () => spawn(release, index),
        isKept: () => this.isKept,
        onEnd: (child, text, exit) => {
          this.failure.abort(new StandbyError(`${child.name} of release ${release.id} ${exitText(exit)}.${tailOf(child)}`));
          onEnd(child, text, exit);
        },
      });
    });
  }

  get size(): number {
    return this.keepers.length;
  }

  /** Hellos of this crew's workers. */
  get hellos(): WorkerHello[] {
    const pids = this.pids;
    return this.members.workers.filter((hello) => pids.includes(hello.pid));
  }

  get pids(): number[] {
    return this.keepers.flatMap((keeper) => keeper.child?.pid ?? []);
  }

  /**
   * Resolves when all have said hello.
   * @throws {StandbyError} when one has ended, or time is up.
   * @throws the signal's reason.
   */
  async ready(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const late = AbortSignal.timeout(timeoutMs);
    try {
      await this.members.until(() => this.isReady, AbortSignal.any([signal, this.failure.signal, late]));
    } catch (error) {
      if (!late.aborted || signal.aborted || this.failure.signal.aborted) throw error;
      const count = this.hellos.filter((hello) => hello.state === "ready").length;
      throw new StandbyError(`${count} of ${this.size} workers of release ${this.release.id} were ready after ${timeoutMs} ms.`);
    }
  }

  get isReady(): boolean {
    return this.hellos.filter((hello) => hello.state === "ready" && hello.release === this.release.id).length === this.size;
  }

  /** Each drains, and is killed where that takes too long. */
  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.keepers.map((keeper) => keeper.stop(timeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.keepers.map((keeper) => keeper.kill()));
  }
}

function tailOf(child: Child): string {
  return child.errorTail.length === 0 ? "" : `\n${child.errorTail.join("\n")}`;
}
