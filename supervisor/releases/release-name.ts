// How releases are called: `20261122T043000Z-1a2b3c4`, when it was made (UTC) and of what. Names sort by age.

import type { Revision } from "./sources.ts";

const hashLetters = 7;
const dated = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{7,40}(-dirty)?$/;
/** Of versions that counted: still served, and rolled back to. */
const numbered = /^[1-9][0-9]*$/;
const dev = /^dev-[0-9]+$/;

export function isReleaseName(name: string): boolean {
  return dated.test(name) || numbered.test(name) || dev.test(name);
}

/** Dev mode's: nobody goes back to one. */
export function isDevRelease(name: string): boolean {
  return dev.test(name);
}

export function devReleaseName(at: Date): string {
  return `dev-${at.getTime()}`;
}

/**
 * @param at It was made; what a name of the same second, or of a clock that went ahead, has taken already is left out.
 * @param sourceHash Stands for the commit where there is none.
 * @param taken Names of all other releases.
 */
export function releaseName(at: Date, { commit, dirty }: Revision, sourceHash: string, taken: readonly string[]): string {
  const seconds = Math.max(Math.floor(at.getTime() / 1000), ...taken.map((name) => (timeOf(name) ?? 0) / 1000 + 1));
  const time = new Date(seconds * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
  return `${time}-${(commit ?? sourceHash).slice(0, hashLetters)}${dirty ? "-dirty" : ""}`;
}

/** Milliseconds since 1970; undefined where the name does not tell. */
export function timeOf(name: string): number | undefined {
  const [, year, month, day, hour, minute, second] = dated.exec(name) ?? [];
  return year === undefined ? undefined : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
