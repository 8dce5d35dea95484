// Ratios of two sides that were measured in turn, and how far they lie apart.

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** @param values At least one. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, least: at(0), most: at(sorted.length - 1) };
}

/** Each of one side by what the other side had right before it. */
export function ratiosOf(subject: readonly number[], reference: readonly number[]): number[] {
  return subject.slice(0, reference.length).map((value, index) => value / (reference[index] as number));
}

/** Beyond it, other things than what was measured have decided. */
const noisyShare = 0.25;

/** Whether so much lies between the least and the most that one run says little. */
export function isNoisy({ median, least, most }: Spread): boolean {
  return most - least > noisyShare * median;
}
