// What the run says: what it does at the moment, and figures as they are known; or JSON, for programs.

import { type Progress, paint, startProgress } from "../scripts/setup/progress.mjs";
import { cellsOf, headings, isMet } from "./cells.ts";
import type { RowResult } from "./comparison.ts";
import { faultRemarks, type Names, remarksOn } from "./remarks.ts";

const widths = [18, 25, 16, 11, 11, 17, 15];

export class Report {
  private readonly names: Names;
  private readonly isJson: boolean;
  private readonly results: RowResult[] = [];
  private progress: Progress | undefined;

  constructor(names: Names, isJson: boolean) {
    this.names = names;
    this.isJson = isJson;
  }

  head(): void {
    this.say(aligned(headings(this.names.subject, this.names.reference)));
  }

  begin(title: string): void {
    this.progress = startProgress(title);
  }

  update(step: string): void {
    this.progress?.update(step);
  }

  /** A row is finished. */
  row(result: RowResult): void {
    const { title, figures } = result;
    const faults = faultRemarks(result, this.names);
    this.results.push(result);
    if (faults.length === 0) this.progress?.done(title);
    else this.progress?.fail(title);
    if (this.isJson) process.stdout.write(`${JSON.stringify(result)}\n`);
    // On a terminal the progress line has just said it; elsewhere that went another way.
    if (!process.stdout.isTTY || !process.stderr.isTTY) this.say(title);
    for (const figure of figures) {
      const line = aligned(cellsOf(figure, this.results));
      this.say(isMet(figure, this.results) === false ? paint(process.stdout, "yellow", line) : line);
    }
    for (const fault of faults) this.say(paint(process.stdout, "red", `  ${fault}`));
  }

  /** A row could not be measured. */
  failed(title: string, why: string): void {
    this.progress?.fail(title);
    this.progress = undefined;
    process.stderr.write(`${why}\n`);
  }

  end(): void {
    for (const remark of remarksOn(this.results, this.names)) this.say(`\n${remark}`);
  }

  /** A line for people. */
  say(text: string): void {
    if (!this.isJson) process.stdout.write(`${text}\n`);
  }
}

function aligned(cells: readonly string[]): string {
  return `  ${cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join("  ")
    .trimEnd()}`;
}
