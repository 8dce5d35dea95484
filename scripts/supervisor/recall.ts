// A rollback that is typed while a deploy watches what it has activated: the watch ends, and both commands are answered by one
// and the same rollback.

import type { SwitchReport } from "./report.ts";

export class Recall {
  private readonly controller = new AbortController();
  private settle: (report: SwitchReport | undefined) => void = () => undefined;
  private readonly settled = new Promise<SwitchReport | undefined>((resolve) => {
    this.settle = resolve;
  });
  private isOpen = false;

  /** Aborted when somebody asks, with who it is. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The watch begins: until it ends, somebody may ask. */
  open(): void {
    this.isOpen = true;
  }

  /** @param report of the rollback; undefined: there was none. */
  close(report?: SwitchReport): void {
    this.isOpen = false;
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
