// What a run says: what it does at the moment, and rows as they are finished; or JSON, for programs.

import { type Progress, startProgress } from "../scripts/setup/progress.mjs";

export class RunReport {
  private readonly isJson: boolean;
  private progress: Progress | undefined;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** A line for people. */
  say(text: string): void {
    if (!this.isJson) process.stdout.write(`${text}\n`);
  }

  /** A step begins: `end` or `failed` is to follow. */
  begin(step: string): void {
    this.progress = startProgress(step);
  }

  update(step: string): void {
    this.progress?.update(step);
  }

  end(isWell: boolean): void {
    if (isWell) this.progress?.done();
    else this.progress?.fail();
    this.progress = undefined;
  }

  /** The step could not be done. */
  failed(why: string): void {
    this.end(false);
    process.stderr.write(`${why}\n`);
  }

  /** @param text What people read instead. */
  value(value: object, text: string): void {
    process.stdout.write(`${this.isJson ? JSON.stringify(value) : text}\n`);
  }
}
