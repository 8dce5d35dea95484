// What a row of the bench is: a load that both sides get, and the figures that are read from it.

import type { Faults } from "./load/faults.ts";
import type { Trial } from "./trial.ts";

export interface Row {
  /** For --only. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly figures: readonly Figure[];
  /** Open at a time in one process, each of them a file of it. */
  readonly connections: number;
  /** Whether the bare server has nothing to compare with. */
  readonly isAlone?: boolean;
  /** Whether it asks Linux what processes use. */
  readonly needsUsage?: boolean;
  measure(trial: Trial): Promise<Measurement>;
}

export interface Figure {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly better: "more" | "less";
  readonly goal?: Goal;
}

export type Unit = "/s" | "ms" | "bytes" | "µs";

/** A bound that a figure keeps to on the side where it is better. */
export type Goal =
  /** For thinstate's value as a share of the bare server's; `aim` is what we would like. */
  | { readonly of: "ratio"; readonly bound: number; readonly aim?: number }
  /** For thinstate's value. */
  | { readonly of: "value"; readonly bound: number }
  /** For thinstate's value as a multiple of what a message costs in another row of the same run. */
  | { readonly of: "cost"; readonly row: string; readonly bound: number };

/** Of one row on one side, in fresh processes. */
export interface Measurement {
  /** By the names of the row's figures. */
  readonly samples: Readonly<Record<string, Sample>>;
  readonly faults: Faults;
}

export interface Sample {
  readonly value: number;
  /** Microseconds of processor time that all serving processes together took for a message. */
  readonly costMicros?: number;
  /** Of one core, taken by the load itself: near 1, it is the load that was measured. */
  readonly loadShare?: number;
  /** Of all cores, taken by processes that do not belong to the bench. */
  readonly elsewhereShare?: number;
}
