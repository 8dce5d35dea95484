// What must be zero, whatever is measured: counted from the first message to the last.

export interface Faults {
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Something else than what was sent. */
  readonly malformed: number;
  readonly disconnected: number;
}

export const noFaults: Faults = { lost: 0, doubled: 0, reordered: 0, malformed: 0, disconnected: 0 };

const names = ["lost", "doubled", "reordered", "malformed", "disconnected"] as const;

export function addFaults(one: Faults, other: Faults): Faults {
  const sums = { ...noFaults };
  for (const name of names) sums[name] = one[name] + other[name];
  return sums;
}

export function isFaultless(faults: Faults): boolean {
  return names.every((name) => faults[name] === 0);
}

/** "3 lost, 1 disconnected"; empty where all are zero. */
export function faultsText(faults: Faults): string {
  return names.flatMap((name) => (faults[name] === 0 ? [] : [`${faults[name]} ${name}`])).join(", ");
}
