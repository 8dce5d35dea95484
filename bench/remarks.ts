// What a reader has to know of a run before believing its figures.

import { busyShare, type RowResult, type SideResult } from "./comparison.ts";
import { faultsText } from "./load/faults.ts";
import { isNoisy } from "./ratio.ts";

export interface Names {
  readonly subject: string;
  readonly reference: string;
}

const roles = ["reference", "subject"] as const;
/** Of all cores: more than a system does by itself. */
const elsewhereShare = 0.1;

export function remarksOn(results: readonly RowResult[], names: Names): string[] {
  return [
    ...results.flatMap((result) => faultRemarks(result, names)),
    ...noise(results),
    ...elsewhere(results),
    ...busyLoads(results, names),
  ];
}

/** "publish: thinstate has 3 lost" */
export function faultRemarks({ row, faults }: RowResult, names: Names): string[] {
  return roles.flatMap((role) => {
    const text = faultsText(faults[role]);
    return text === "" ? [] : [`${row}: ${names[role]} has ${text}`];
  });
}

/** By its first figure: high percentiles are apart on any machine. */
function noise(results: readonly RowResult[]): string[] {
  const noisy = results.filter(({ figures }) => figures.slice(0, 1).some(({ ratio }) => ratio !== null && isNoisy(ratio)));
  if (noisy.length === 0) return [];
  return [`Noise: the ratios of ${list(noisy)} lie far apart. Run it again on a machine that does nothing else.`];
}

function elsewhere(results: readonly RowResult[]): string[] {
  const shares = results.map((result) => Math.max(...sidesOf(result).map((side) => side.elsewhereShare ?? 0)));
  const disturbed = results.filter((_, index) => (shares[index] ?? 0) > elsewhereShare);
  if (disturbed.length === 0) return [];
  return [`Noise: other processes took up to ${Math.round(Math.max(...shares) * 100)} % of all cores during ${list(disturbed)}.`];
}

function busyLoads(results: readonly RowResult[], names: Names): string[] {
  return roles.flatMap((role) => {
    const busy = results.filter(({ figures }) => figures.some((figure) => (figure[role]?.loadShare ?? 0) >= busyShare));
    if (busy.length === 0) return [];
    const word = `The load was busy all the time while ${names[role]} was measured in ${list(busy)}`;
    if (role === "subject") return [`${word}: it may do more than that.`];
    return [`${word}. Behind "≥" is the ratio to what that could do by the processor time it took.`];
  });
}

function sidesOf({ figures }: RowResult): SideResult[] {
  return figures.flatMap(({ subject, reference }) => [subject, ...(reference === null ? [] : [reference])]);
}

function list(results: readonly RowResult[]): string {
  return results.map(({ row }) => row).join(", ");
}
