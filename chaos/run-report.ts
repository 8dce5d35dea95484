// The table that the run prints.

import { paint } from "../scripts/setup/progress.mjs";
import { RunReport } from "../testbed/run-report.ts";
import type { LibraryFigures } from "./library-record.ts";
import { isClean, type Row } from "./row.ts";

const columns = ["times", "messages", "redelivered", "lost", "doubled", "reordered", "disconnected"] as const;
const titleWidth = 76;
/** Of the longest name. */
const libraryWidth = 34;
const libraryColumns = ["sent", "lost", "doubled", "reordered", "reconnected"] as const;

export class Report extends RunReport {
  head(): void {
    this.say(["fault".padEnd(titleWidth), ...columns, "longest silence"].join("  "));
  }

  row(row: Row): void {
    this.end(isClean(row));
    this.value(row, rowText(row, process.stdout));
  }
}

function rowText(row: Row, stream: NodeJS.WriteStream): string {
  const cells = columns.map((column) => String(row[column]).padStart(column.length));
  const text = [row.title.padEnd(titleWidth), ...cells, silenceText(row)].join("  ");
  const closed = row.closed === 0 ? [] : [`  closed: ${row.closes} (${row.closed})`];
  return [
    paint(stream, isClean(row) ? "green" : "red", text),
    ...closed,
    ...row.libraries.map(libraryText),
    ...row.broken.map((what) => `  ${what}`),
  ].join("\n");
}

function libraryText(figures: LibraryFigures): string {
  return `  ${figures.client.padEnd(libraryWidth)}  ${libraryColumns.map((column) => `${column} ${figures[column]}`).join(", ")}`;
}

function silenceText({ longestSilenceMs, awayMs, goalMs }: Row): string {
  const away = awayMs > 0 ? ` (NATS away for ${Math.round(awayMs)} ms)` : "";
  const isLate = goalMs !== null && longestSilenceMs > awayMs + goalMs;
  return `${Math.round(longestSilenceMs)} ms${away}${isLate ? ` (goal: ${Math.round(awayMs + goalMs)} ms)` : ""}`;
}
