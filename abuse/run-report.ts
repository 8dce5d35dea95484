// What the run says: what it does at the moment, and rows as they are finished; or JSON, for programs.

import { type Progress, paint, startProgress } from "../scripts/setup/progress.mjs";
import type { Endings } from "./abuse.ts";
import { mib } from "./judgement.ts";
import type { Row } from "./row.ts";

const titleWidth = 68;
const headings = ["victim p50/p99 before", "during (ms)", "gateway MiB", "worker", "nats", "log KiB"] as const;
const widths = [21, 18, 20, 16, 14, 8] as const;

export class Report {
  private readonly isJson: boolean;
  private progress: Progress | undefined;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  head(): void {
    this.say(["abuse".padEnd(titleWidth), ...headings.map((heading, index) => heading.padEnd(widths[index] ?? 0))].join("  ").trimEnd());
    this.say(`${"".padEnd(titleWidth + 2 + widths[0] + 2 + widths[1] + 2)}before → peak → after\n`);
  }

  begin(title: string): void {
    this.progress = startProgress(title);
  }

  update(step: string): void {
    this.progress?.update(step);
  }

  row(row: Row): void {
    this.end(row.faults.length === 0);
    process.stdout.write(`${this.isJson ? JSON.stringify(row) : rowText(row, process.stdout)}\n`);
  }

  /** A row could not be run. */
  failed(why: string): void {
    this.end(false);
    process.stderr.write(`${why}\n`);
  }

  private end(isWell: boolean): void {
    if (isWell) this.progress?.done();
    else this.progress?.fail();
    this.progress = undefined;
  }

  private say(text: string): void {
    if (!this.isJson) process.stdout.write(`${text}\n`);
  }
}

function rowText({ title, victim, memory, endings, loggedBytes, faults }: Row, stream: NodeJS.WriteStream): string {
  const { before, during } = victim;
  const grown = (process: "gateway" | "worker" | "nats") =>
    [memory.before, memory.peak, memory.after].map((at) => Math.round(mib(at[process]))).join(" → ");
  const cells = [
    `${before.p50Ms}/${before.p99Ms}`,
    `${during.p50Ms}/${during.p99Ms}`,
    grown("gateway"),
    grown("worker"),
    grown("nats"),
    String(Math.round(loggedBytes / 1024)),
  ].map((cell, index) => cell.padEnd(widths[index] ?? 0));
  const line = [title.padEnd(titleWidth), ...cells].join("  ").trimEnd();
  return [
    paint(stream, faults.length === 0 ? "green" : "red", line),
    `  the abusers: ${endingsText(endings)}`,
    ...faults.map((fault) => paint(stream, "red", `  ${fault}`)),
  ].join("\n");
}

function endingsText(endings: Endings): string {
  return Object.entries(endings)
    .map(([ending, count]) => `${count.toLocaleString("en")} × ${ending}`)
    .join(", ");
}
