// A figure in words, as both the terminal and results.md show it.

import type { FigureResult, RowResult, SideResult } from "./comparison.ts";
import type { Spread } from "./ratio.ts";
import type { Unit } from "./row.ts";

/** @param names Of the two sides. */
export function headings(subject: string, reference: string): string[] {
  return ["", `${subject}/${reference}`, "goal", subject, reference, "CPU of each", "CPU of the load"];
}

/** One cell for each heading. @param all The results of the run: a goal may name another row. */
export function cellsOf(figure: FigureResult, all: readonly RowResult[]): string[] {
  const { subject, reference, unit } = figure;
  return [
    figure.title,
    ratioCell(figure),
    `${goalText(figure)}${{ true: " ✔", false: " ✘", null: "" }[`${isMet(figure, all)}`]}`,
    valueText(subject.value.median, unit),
    reference === null ? "" : valueText(reference.value.median, unit),
    bothText(figure, ({ costMicros }) => costMicros, "µs"),
    bothText(figure, ({ loadShare }) => (loadShare === null ? null : Math.round(loadShare * 100)), "%"),
  ];
}

/** Whether the median keeps to the goal; null where there is none, or nothing to hold against it. */
export function isMet(figure: FigureResult, all: readonly RowResult[]): boolean | null {
  const value = heldAgainstGoal(figure, all);
  if (value === null || figure.goal === undefined) return null;
  return figure.better === "more" ? value >= figure.goal.bound : value <= figure.goal.bound;
}

function heldAgainstGoal({ goal, ratio, ratioAtLeast, subject }: FigureResult, all: readonly RowResult[]): number | null {
  switch (goal?.of) {
    case undefined:
      return null;
    case "ratio":
      return ratioAtLeast ?? ratio?.median ?? null;
    case "value":
      return subject.value.median;
    case "cost": {
      const cost = all.find(({ row }) => row === goal.row)?.figures[0]?.subject.costMicros ?? null;
      return cost === null ? null : subject.value.median / cost;
    }
  }
}

function goalText({ goal, better, unit }: FigureResult): string {
  const sign = better === "more" ? "≥" : "≤";
  switch (goal?.of) {
    case undefined:
      return `${better} is better`;
    case "ratio":
      return `${sign} ${ratioText(goal.bound)}`;
    case "value":
      return `${sign} ${valueText(goal.bound, unit)}`;
    case "cost":
      return `${sign} ${goal.bound} × ${goal.row}`;
  }
}

/** "0.52 (0.50–0.55), ≥ 0.48" */
function ratioCell({ ratio, ratioAtLeast }: FigureResult): string {
  if (ratio === null) return "";
  return ratioAtLeast === null ? spreadText(ratio) : `${spreadText(ratio)}, ≥ ${ratioText(ratioAtLeast)}`;
}

/** "0.52 (0.50–0.55)" */
export function spreadText({ median, least, most }: Spread): string {
  return least === most ? ratioText(median) : `${ratioText(median)} (${ratioText(least)}–${ratioText(most)})`;
}

export function ratioText(ratio: number): string {
  return ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(1);
}

/** Three digits: "1,090,000/s", "0.182 ms". */
export function valueText(value: number, unit: Unit): string {
  return `${threeDigits(value)}${unit === "/s" ? unit : ` ${unit}`}`;
}

function threeDigits(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** "2.92 / 0.635 µs" */
function bothText({ subject, reference }: FigureResult, number: (side: SideResult) => number | null, unit: string): string {
  const numbers = [subject, reference].map((side) => (side === null ? null : number(side))).filter((value) => value !== null);
  return numbers.length === 0 ? "" : `${numbers.map(threeDigits).join(" / ")} ${unit}`;
}
