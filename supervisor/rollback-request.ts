// A rollback that is typed while a deploy watches what it has activated: the watch ends, and both commands are answered by one
// and the same rollback.

import type { DeployReport } from "./deploy-report.ts";

/** To all that have asked. */
class Answer {
  give: (report: DeployReport | undefined) => void = () => undefined;
  refuse: (reason: Error) => void = () => undefined;
  readonly given = new Promise<DeployReport | undefined>((resolve, reject) => {
    this.give = resolve;
    this.refuse = reject;
  });
}

export class RollbackSignal {
  private controller = new AbortController();
  private answer = new Answer();
  /** One of those who ask wants it even if connections are closed for it. */
  isForced = false;
  /** When the watch should end, in milliseconds since 1970; null: there is none. */
  watchedUntil: number | null = null;
  /** What a rollback would go back to; undefined: there is no watch to end, or nothing to go back to. */
  private before: string | undefined;

  /** Aborted when somebody asks, with who it is. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The watch begins. @param before The release that somebody may ask for until it ends; undefined: there is none. */
  open(watchedUntil: number, before: string | undefined): void {
    this.watchedUntil = watchedUntil;
    this.before = before;
  }

  /** Whether a rollback would end it. */
  get mayBeAsked(): boolean {
    return this.before !== undefined;
  }

  /** @param report of the rollback; undefined: there was none. */
  close(report?: DeployReport): void {
    this.before = undefined;
    this.watchedUntil = null;
    this.answer.give(report);
  }

  /** Who has asked hears why not, and the watch goes on. */
  refuse(reason: Error): void {
    this.answer.refuse(reason);
    this.answer = new Answer();
    this.controller = new AbortController();
    this.isForced = false;
  }

  /**
   * @param by Who asks: "rollback by ada (process 12)".
   * @param to The release that is asked for; null: whichever served before.
   * @param isForced even if connections are closed for it.
   * @returns undefined where there is no watch to end, or another release was there before; a promise of undefined where it has just
   *   ended well; one that rejects where it was refused.
   */
  ask(by: string, to: string | null, isForced: boolean): Promise<DeployReport | undefined> | undefined {
    if (this.before === undefined || (to !== null && to !== this.before)) return undefined;
    this.isForced ||= isForced;
    this.controller.abort(by);
    return this.answer.given;
  }
}
