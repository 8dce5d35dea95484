// Why a release was taken back after its activation, for people and for programs.

import type { Closed } from "../protocol/handover-figures.ts";
import { closedText, type DeployReport, errorLines } from "./deploy-report.ts";
import type { Finding } from "./release-watch.ts";
import { rateText, type ThrowRate } from "./throw-rate.ts";

export interface RollbackFacts {
  readonly release: string;
  /** What serves again; null: there was nothing to go back to, or it could not take over. */
  readonly backTo: string | null;
  readonly reason: Finding["reason"];
  /** The release's throws since its activation, and those of the one before since its start. */
  readonly now: ThrowRate;
  readonly before: ThrowRate | null;
  /** Connections that were closed for an error of its own while it served, by code. */
  readonly closed: Closed;
  /** Those that the release which serves again has closed since: they opened under the other one, and their state does not fit it. */
  readonly closedGoingBack: Closed;
  /** What its workers have logged as errors. */
  readonly errors: readonly string[];
}

/** A release that had been activated did not prove itself. */
export class RolledBack extends Error {
  readonly facts: RollbackFacts;
  /** Of the rollback; undefined where there was none. */
  readonly report: DeployReport | undefined;

  /** @param failure Why the release before does not serve again, where it does not. */
  constructor(finding: Finding, facts: RollbackFacts, outcome: { report?: DeployReport | undefined; failure?: string | undefined }) {
    super(textOf(finding, facts, outcome));
    this.name = "RolledBack";
    this.facts = facts;
    this.report = outcome.report;
  }
}

/** On one line. @param before What the release before has thrown in its whole life. */
export function whyRolledBack({ reason, text, now }: Finding, before: ThrowRate | undefined): string {
  if (reason !== "throws" || now.thrown === 0) return text;
  return `${text}: ${rateText(now)}${before === undefined ? "" : ` (before: ${rateText(before)})`}`;
}

function textOf(
  { text, ms }: Finding,
  { release, now, before, closed, closedGoingBack, errors }: RollbackFacts,
  { report, failure }: { report?: DeployReport | undefined; failure?: string | undefined },
): string {
  const fate = failure === undefined ? "was rolled back" : "does not prove itself";
  const lines = [`release ${release} ${fate}: ${text}`];
  if (failure !== undefined) lines.push(failure);
  if (before !== null) lines.push(`  before  ${rateText(before)} turns threw`);
  lines.push(`  now     ${rateText(now)} turns threw, in ${(ms / 1000).toFixed(1)} s`);
  const [closedBefore, closedSince] = [closedText(closed), closedText(closedGoingBack)];
  if (closedBefore !== undefined) lines.push(`  closed  ${closedBefore}`);
  lines.push(...errorLines(errors));
  if (closedSince !== undefined) lines.push(`going back has closed ${closedSince}`, ...errorLines(report?.errors ?? []));
  return lines.join("\n");
}
