// The table that the run prints.

import { paint } from "../scripts/setup/progress.mjs";
import { RunReport } from "../testbed/run-report.ts";
import type { Endings } from "./abuse.ts";
import { mib } from "./judgement.ts";
import type { Row } from "./row.ts";

const titleWidth = 68;
const headings = ["victim p50/p99 before", "during (ms)", "gateway MiB", "worker", "nats", "log KiB"] as const;
const widths = [21, 18, 20, 16, 14, 8] as const;

export class Report extends RunReport {
  head(): void {
    this.say(["abuse".padEnd(titleWidth), ...headings.map((heading, index) => heading.padEnd(widths[index] ?? 0))].join("  ").trimEnd());
    this.say(`${"".padEnd(titleWidth + 2 + widths[0] + 2 + widths[1] + 2)}before → peak → after\n`);
  }

  row(row: Row): void {
    this.end(row.faults.length === 0);
    this.value(row, rowText(row, process.stdout));
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
