// A rollback that is typed while a deploy watches what it has activated: the watch ends, and both commands are answered by one
// and the same rollback.

import type { SwitchReport } from "./report.ts";

export class Recall {
  private readonly controller = new AbortController();
  private settle: (report: SwitchReport | undefined) => void = () => undefined;
  private readonly settled = new Promise<SwitchReport | undefined>((resolve) => {
    this.settle = resolve;
  });
  /** When the watch should end, in milliseconds since 1970; null: there is none. */
  watchedUntil: number | null = null;
  private isOpen = false;

  /** Aborted when somebody asks, with who it is. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The watch begins. @param isOpen Whether somebody may ask until it ends: there is something to go back to. */
  open(watchedUntil: number, isOpen: boolean): void {
    this.watchedUntil = watchedUntil;
    this.isOpen = isOpen;
  }

  /** Whether a rollback would end it. */
  get mayBeAsked(): boolean {
    return this.isOpen;
  }

  /** @param report of the rollback; undefined: there was none. */
  close(report?: SwitchReport): void {
    this.isOpen = false;
    this.watchedUntil = null;
    this.settle(report);
  }

  /**
   * @param by Who asks: "rollback by ada (process 12)".
   * @returns undefined where there is no watch to end; a promise of undefined where it has just ended well.
   */
  ask(by: string): Promise<SwitchReport | undefined> | undefined {
    if (!this.isOpen) return undefined;
    this.controller.abort(by);
    return this.settled;
  }
}
