// One row, measured on both sides in turn, again and again, in fresh processes: what is slow at the moment is so for both.

import { addFaults, type Faults, isFaultless, noFaults } from "./load/faults.ts";
import { ratiosOf, type Spread, spreadOf } from "./ratio.ts";
import type { Figure, Measurement, Row, Sample } from "./row.ts";
import type { Running } from "./running.ts";
import type { Side } from "./side.ts";
import { Trial } from "./trial.ts";

/** Of a core: from here on the load may be what sets the pace. */
export const busyShare = 0.9;

export interface Sides {
  /** Whose share is taken. */
  readonly subject: Side;
  /** Of what. */
  readonly reference: Side;
}

export type Role = keyof Sides;

export interface ComparisonOptions extends Sides {
  readonly times: number;
  readonly seconds: number;
  readonly running: Running;
  /** What is being done now. */
  readonly onStep: (text: string) => void;
}

export interface RowResult {
  readonly row: string;
  readonly title: string;
  readonly times: number;
  readonly figures: readonly FigureResult[];
  readonly faults: Readonly<Record<Role, Faults>>;
}

export interface FigureResult extends Figure {
  /** The subject's value by the reference's; null where there is no reference. */
  readonly ratio: Spread | null;
  /**
   * Where the load held the bare server back: the ratio to what that could do by the processor time that it took, having one
   * thread. null elsewhere.
   */
  readonly ratioAtLeast: number | null;
  readonly subject: SideResult;
  readonly reference: SideResult | null;
}

export interface SideResult {
  readonly value: Spread;
  /** As in Sample, the medians; null where it was not measured. */
  readonly costMicros: number | null;
  readonly loadShare: number | null;
  readonly elsewhereShare: number | null;
}

export async function compare(row: Row, options: ComparisonOptions): Promise<RowResult> {
  const { subject, reference, times, seconds, running, onStep } = options;
  const measured: Record<Role, Measurement[]> = { subject: [], reference: [] };
  for (let time = 1; time <= times; time++) {
    for (const [role, side] of [["reference", reference] as const, ["subject", subject] as const]) {
      if (side.isBare && row.isAlone) continue;
      onStep(`${side.name}, ${time} of ${times}`);
      measured[role].push(await row.measure(new Trial({ side, seconds, running })));
    }
  }
  const faults = { subject: faultsOf(measured.subject), reference: faultsOf(measured.reference) };
  // Goals are for ratios to the bare server, and for values beside it.
  const figures = row.figures.map(({ goal, ...figure }) =>
    resultOf({ ...figure, ...(goal && reference.isBare && { goal }) }, measured, reference.isBare),
  );
  return { row: row.name, title: row.title, times, figures, faults };
}

/** Whether everything is zero that has to be. */
export function isClean({ faults }: RowResult): boolean {
  return isFaultless(faults.subject) && isFaultless(faults.reference);
}

function resultOf(figure: Figure, measured: Readonly<Record<Role, readonly Measurement[]>>, isBare: boolean): FigureResult {
  const [subject, reference] = [samplesOf(figure, measured.subject), samplesOf(figure, measured.reference)];
  const values = (samples: readonly Sample[]) => samples.map(({ value }) => value);
  // Memory may have shrunk meanwhile: there is no multiple of that.
  const hasRatio = reference.length > 0 && values(reference).every((value) => value > 0);
  const sides = { subject: sideOf(subject), reference: reference.length === 0 ? null : sideOf(reference) };
  return {
    ...figure,
    ratio: hasRatio ? spreadOf(ratiosOf(values(subject), values(reference))) : null,
    ratioAtLeast: figure.unit === "/s" && isBare ? ratioToCapacity(sides) : null,
    ...sides,
  };
}

function ratioToCapacity({ subject, reference }: Pick<FigureResult, "subject" | "reference">): number | null {
  if (reference === null || reference.costMicros === null || (reference.loadShare ?? 0) < busyShare) return null;
  const capacity = 1e6 / reference.costMicros;
  return subject.value.median / Math.max(capacity, reference.value.median);
}

function faultsOf(measurements: readonly Measurement[]): Faults {
  return measurements.reduce((sum, { faults }) => addFaults(sum, faults), noFaults);
}

function samplesOf({ name }: Figure, measurements: readonly Measurement[]): Sample[] {
  return measurements.flatMap(({ samples }) => samples[name] ?? []);
}

function sideOf(samples: readonly Sample[]): SideResult {
  const median = (name: "costMicros" | "loadShare" | "elsewhereShare") => {
    const values = samples.flatMap((sample) => sample[name] ?? []);
    return values.length === 0 ? null : spreadOf(values).median;
  };
  const value = spreadOf(samples.map((sample) => sample.value));
  return { value, costMicros: median("costMicros"), loadShare: median("loadShare"), elsewhereShare: median("elsewhereShare") };
}
