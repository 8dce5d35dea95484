// What a deploy has done to the connections, for programs and for people.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Closed, HandoverFigures } from "../protocol/handover-figures.ts";
import type { StepTime } from "./steps.ts";
import { leastCount, rateText, type ThrowRate } from "./throw-rate.ts";

/** What would be shown as 0.00 ms. */
const leastPauseMs = 0.005;

/** What moving all work to a release has cost. */
export interface SwitchReport extends HandoverFigures {
  readonly release: string;
  /** What served before; null: nothing did. */
  readonly previous: string | null;
  readonly generation: number;
  readonly steps: readonly StepTime[];
  /** Until all connections were handed over. */
  readonly totalMs: number;
}

export interface DeployReport extends SwitchReport {
  /** The last ones that its workers have logged, where turns threw or connections were closed. */
  readonly errors: readonly string[];
  /** What was seen of the release afterwards; null: it was not watched. */
  readonly watch: {
    readonly ms: number;
    readonly now: ThrowRate;
    /** Of the release before, in its whole life; null: there was none. */
    readonly before: ThrowRate | null;
    /** It throws clearly more often than the one before, but for few addresses. */
    readonly forFew: boolean;
  } | null;
}

/** Whether any was closed for an error. That a forced release does not serve a path was known before. */
export function hasErrors(closed: Closed): boolean {
  return Object.keys(closed).some((code) => code !== ("route.removed" satisfies ErrorCode));
}

/** Whether the deploy itself has closed any: a handler that throws now and then may have done so before. */
export function hasClosed(closed: Closed): boolean {
  // The second: as releases of an earlier version say it.
  return (["state.incompatible", "state.invalid"] satisfies ErrorCode[]).some((code) => closed[code] !== undefined);
}

/** "3: state.incompatible (2), handler.thrown (1)"; undefined: none were. */
export function closedText(closed: Closed): string | undefined {
  const counts = Object.entries(closed).sort(([, a], [, b]) => b - a);
  if (counts.length === 0) return undefined;
  const sum = counts.reduce((total, [, count]) => total + count, 0);
  return `${sum}: ${counts.map(([code, count]) => `${code} (${count})`).join(", ")}`;
}

/** What a release's workers have logged as errors, for people; nothing where there are none. */
export function errorLines(errors: readonly string[]): string[] {
  return errors.length === 0 ? [] : ["the last errors of its workers:", ...errors.map((error) => `  ${error.replaceAll("\n", "\n  ")}`)];
}

/** For people. */
export function reportText(report: DeployReport): string {
  const { watch } = report;
  const closed = closedText(report.closed);
  const rows: [string, string][] = [
    ["connections", `${report.connectionsBefore} before, ${report.connectionsAfter} after`],
    ...(closed === undefined ? [] : [["closed", closed] as [string, string]]),
    ["handed over", `${report.handedOver}${report.remaining > 0 ? `, ${report.remaining} still with the old workers` : ""}`],
    ["parked", String(report.parked)],
    ["redelivered", String(report.redelivered)],
    ["pause", pauseText(report)],
    ["time", `${seconds(report.totalMs)}${watch === null ? "" : `, then watched for ${seconds(watch.ms)}`}`],
    ...(watch === null ? [] : [watchRow(watch)]),
  ];
  const before = report.previous === null ? "" : ` (before: release ${report.previous})`;
  const lines = rows.map(([name, text]) => `  ${name.padEnd(12)} ${text}`);
  return [`release ${report.release} serves${before}`, ...lines, ...errorLines(report.errors)].join("\n");
}

function pauseText({ handedOver, pauseP50Ms, pauseP99Ms, pauseLongestMs }: SwitchReport): string {
  const ms = (value: number) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
  if (handedOver === 0) return "none, since no connection moved";
  if (pauseLongestMs < leastPauseMs) return "none: no connection had a message waiting";
  return `p50 ${ms(pauseP50Ms)}, p99 ${ms(pauseP99Ms)}, longest ${ms(pauseLongestMs)}`;
}

function watchRow({ now, before, forFew }: NonNullable<DeployReport["watch"]>): [string, string] {
  if (now.turns === 0) return ["threw", "no messages during the watch; nothing to compare"];
  const isFew = before !== null && now.thrown > 0 && now.thrown < leastCount;
  const what = forFew ? "throws for few addresses" : isFew ? `fewer than ${leastCount}` : undefined;
  const few = what === undefined ? "" : `; ${what} never roll a deploy back, npm run rollback-worker does`;
  return [
    "threw",
    `${rateText(now)} turns${before === null ? "" : ` (before: ${before.turns === 0 ? "no messages" : rateText(before)})`}${few}`,
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
