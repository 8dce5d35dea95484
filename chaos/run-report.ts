// What the run says: what it does at the moment, and rows as they are finished; or JSON, for programs.

import { type Progress, paint, startProgress } from "../scripts/setup/progress.mjs";
import { isClean, type Row } from "./row.ts";

const columns = ["times", "messages", "redelivered", "lost", "doubled", "reordered", "disconnected"] as const;
const titleWidth = 76;

export class Report {
  private readonly isJson: boolean;
  private progress: Progress | undefined;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** A line for people. */
  say(text: string): void {
    if (!this.isJson) process.stdout.write(`${text}\n`);
  }

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

  head(): void {
    this.say(["fault".padEnd(titleWidth), ...columns, "longest silence"].join("  "));
  }

  row(row: Row): void {
    this.value(row, rowText(row, process.stdout));
  }

  value(value: object, text: string): void {
    process.stdout.write(`${this.isJson ? JSON.stringify(value) : text}\n`);
  }
}

function rowText(row: Row, stream: NodeJS.WriteStream): string {
  const cells = columns.map((column) => String(row[column]).padStart(column.length));
  const text = [row.title.padEnd(titleWidth), ...cells, silenceText(row)].join("  ");
  const closed = row.closed === 0 ? [] : [`  closed: ${row.closes} (${row.closed})`];
  return [paint(stream, isClean(row) ? "green" : "red", text), ...closed, ...row.broken.map((what) => `  ${what}`)].join("\n");
}

function silenceText({ longestSilenceMs, awayMs, goalMs }: Row): string {
  const away = awayMs > 0 ? ` (NATS away for ${Math.round(awayMs)} ms)` : "";
  const isLate = goalMs !== null && longestSilenceMs > awayMs + goalMs;
  return `${Math.round(longestSilenceMs)} ms${away}${isLate ? ` (goal: ${Math.round(awayMs + goalMs)} ms)` : ""}`;
}
