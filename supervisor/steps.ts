// What a deploy is doing, told as it happens and timed, one step after the other.

export interface StepTime {
  readonly step: string;
  readonly ms: number;
}

/**
 * begun: a step begins, so the one before is done. update: the step goes on, and a figure in its text has changed. failed: it has ended
 * badly, and the text says how. note: something to know besides; the step goes on.
 */
export type StepEvent = "begun" | "update" | "failed" | "note";

/** @param event "begun" where none is given. */
export type OnStep = (text: string, event?: StepEvent) => void;

export class Steps {
  private readonly onStep: OnStep;
  private readonly done: StepTime[] = [];
  private readonly startedAt = performance.now();
  private shown = "";
  private current: { step: string; startedAt: number } | undefined;

  constructor(onStep: OnStep) {
    this.onStep = onStep;
  }

  begin(step: string): void {
    this.finish();
    this.current = { step, startedAt: performance.now() };
    this.onStep(step);
  }

  /** The step goes on: what people see of it changes, its name in the report does not. */
  update(text: string): void {
    if (text === this.shown) return;
    this.shown = text;
    this.onStep(text, "update");
  }

  /** Ends the current step, which has gone wrong. @param text What people see of it now. */
  fail(text: string): void {
    this.finish();
    this.shown = "";
    this.onStep(text, "failed");
  }

  /** Ends the current step. @returns all that were done so far. */
  end(): { steps: StepTime[]; totalMs: number } {
    this.finish();
    return { steps: [...this.done], totalMs: performance.now() - this.startedAt };
  }

  private finish(): void {
    if (this.current !== undefined) this.done.push({ step: this.current.step, ms: performance.now() - this.current.startedAt });
    this.current = undefined;
  }
}
