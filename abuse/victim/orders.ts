// What is said to the victim's process, and what it answers.

import type { Latency } from "./latency.ts";

/** lap: what was since the last lap; settle: send no more, wait for what is owed, and tell the sum. */
export type Order = "lap" | "settle";

export type Report =
  | { readonly report: "open" }
  | { readonly report: "lap"; readonly latency: Latency }
  | { readonly report: "settled"; readonly outcome: VictimOutcome };

export interface VictimOutcome {
  readonly messages: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** How each of those that were disconnected was. */
  readonly disconnected: readonly string[];
}
