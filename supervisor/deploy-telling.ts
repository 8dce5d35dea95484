// Tells what a deploy or a rollback is doing, step by step and at its end, to whoever looks: see protocol/deploy-progress.ts. Pure.

import {
  type DeployOutcome,
  type DeployProgress,
  type DeployStep,
  mostSteps,
  outcomeCharacters,
  stepCharacters,
} from "../protocol/deploy-progress.ts";
import { type DeployReport, reportText } from "./deploy-report.ts";
import { RolledBack } from "./rolled-back.ts";
import type { OnStep } from "./steps.ts";

export interface DeployTellingOptions extends Pick<DeployProgress, "id" | "what" | "by"> {
  readonly tell: (progress: DeployProgress) => void;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

export class DeployTelling {
  private readonly options: DeployTellingOptions;
  private readonly startedAt: number;
  private readonly steps: DeployStep[] = [];

  constructor(options: DeployTellingOptions) {
    this.options = options;
    this.startedAt = options.wallClock();
    this.tell();
  }

  readonly step: OnStep = (text, event = "begun") => {
    if (event === "note") this.add(text, "note");
    else if (event === "begun") {
      this.settle("done");
      this.add(text, "running");
    } else this.settle(event === "failed" ? "failed" : "running", text);
    this.tell();
  };

  done(report: DeployReport): void {
    this.settle("done");
    this.tell({ kind: "serves", text: reportText(report) });
  }

  failed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    // Going back was the last step, and went well.
    const isBack = error instanceof RolledBack && error.facts.backTo !== null;
    this.settle(isBack ? "done" : "failed");
    this.tell({ kind: isBack ? "rolledBack" : error instanceof RolledBack ? "failed" : "refused", text });
  }

  private add(text: string, state: "running" | "note"): void {
    if (this.steps.length >= mostSteps) return;
    this.steps.push({ text: text.slice(0, stepCharacters), state, at: this.options.wallClock(), ms: 0 });
  }

  /** @param text What people see of the running step now; missing: what they have seen. */
  private settle(state: DeployStep["state"], text?: string): void {
    const index = this.steps.findLastIndex((step) => step.state === "running");
    const step = this.steps[index];
    if (step === undefined) return;
    const ms = this.options.wallClock() - step.at;
    this.steps[index] = { ...step, state, ms, text: text?.slice(0, stepCharacters) ?? step.text };
  }

  private tell(outcome?: Pick<DeployOutcome, "kind" | "text">): void {
    const { id, what, by, tell, wallClock } = this.options;
    const ended = outcome && { outcome: { ...outcome, text: outcome.text.slice(0, outcomeCharacters), at: wallClock() } };
    tell({ id, what, by: by.slice(0, stepCharacters), startedAt: this.startedAt, steps: [...this.steps], ...ended });
  }
}
