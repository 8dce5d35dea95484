// What a deploy is doing, told as it happens and timed, one step after the other.

export interface StepTime {
  readonly step: string;
  readonly ms: number;
}

/** @param isUpdate It says anew what the step before said: a figure in it has changed. */
export type OnStep = (text: string, isUpdate?: boolean) => void;

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
    this.onStep(text, true);
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
