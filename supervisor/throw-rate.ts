// Do the turns of one release throw clearly more often than those of another? Pure: counts in, an answer out.
//
// What counts is every turn, and every upgrade and HTTP request, whose handler threw. What could not be parsed is not among them,
// neither as thrown nor as a turn: one client could undo every deploy, or hide a bad one. A schema that is too strict is thus not seen.

import { mostThrew, type WorkerCounts, type WorkerHello } from "../protocol/membership.ts";

export interface ThrowRate {
  readonly turns: number;
  /** At most as many as turns. */
  readonly thrown: number;
}

/**
 * Fewer throws are no pattern: one client that says the same again and again makes as many. And with fewer turns that went well
 * before, there is no knowing what was usual. Both make the test below sound, which is for large numbers: whatever then has a z
 * of 4 is, computed exactly, chance in less than one of 500 cases (throw-rate.test.ts), and in a busy system in one of 10,000.
 */
export const leastCount = 10;
/** A rise from 1 % to 1.5 % is significant in a busy system, and not worth a rollback. */
const leastRatio = 2;
/** Standard errors. More than the usual two or three, since it is looked at again and again, and throws come in bursts. */
const leastZ = 4;

/** Two-proportion z-test, one-sided, with least numbers and a least ratio. */
export function throwsClearlyMore(now: ThrowRate, before: ThrowRate): boolean {
  if (now.thrown < leastCount || before.turns - before.thrown < leastCount) return false;
  const [share, shareBefore] = [now.thrown / now.turns, before.thrown / before.turns];
  if (share < leastRatio * shareBefore) return false;
  const pooled = (now.thrown + before.thrown) / (now.turns + before.turns);
  const standardError = Math.sqrt(pooled * (1 - pooled) * (1 / now.turns + 1 / before.turns));
  return share - shareBefore >= leastZ * standardError;
}

/**
 * Whether a release throws more than the one before: its throws are clearly more than the old release's in its whole life, and, where that
 * one has begun to throw lately, than those too. A database that is away is no reason to refuse a release that bears it better.
 */
export function isWorse(now: ThrowRate, before: { readonly life: ThrowRate; readonly lately: ThrowRate }): boolean {
  const { life, lately } = before;
  return throwsClearlyMore(now, life) && (lately.thrown < leastCount || throwsClearlyMore(now, lately));
}

/** Of all sources that spoke, this share, or ten: one who wants a release gone would have to be as many. See worker/turn-sources.ts. */
const leastShareOfSources = 1 / 4;

/**
 * Whether throws come from so many sources that no few strangers make the release throw.
 * @param isOver Whether all who speak have had the time to: at first, one who hurries is a large share.
 */
export function isWidespread(hellos: readonly WorkerHello[], isOver: boolean): boolean {
  const [heard, threw] = [new Set<number>(), new Set<number>()];
  for (const { addresses } of hellos) {
    // Of a version that does not tell.
    if (addresses === undefined) return true;
    for (const address of addresses.threw) threw.add(address);
    for (const address of [...addresses.heard, ...addresses.threw]) heard.add(address);
  }
  return threw.size >= mostThrew || (isOver && threw.size >= leastShareOfSources * heard.size);
}

/** What each of a release's workers has counted, by its id. */
export type CountsById = ReadonlyMap<string, WorkerCounts>;

export function countsOf(hellos: readonly WorkerHello[]): CountsById {
  return new Map(hellos.flatMap(({ id, counts }) => (counts === undefined ? [] : [[id, counts] as const])));
}

/** What came on top of earlier counts. A worker that is not among those has begun since. */
export function rateSince(earlier: CountsById, hellos: readonly WorkerHello[]): ThrowRate {
  let [turns, thrown] = [0, 0];
  for (const [id, counts] of countsOf(hellos)) {
    const from = earlier.get(id);
    turns += counts.turns + counts.answers - (from === undefined ? 0 : from.turns + from.answers);
    thrown += counts.thrown + counts.failed - (from === undefined ? 0 : from.thrown + from.failed);
  }
  return { turns, thrown: Math.min(thrown, turns) };
}

export function rateOf(hellos: readonly WorkerHello[]): ThrowRate {
  return rateSince(new Map(), hellos);
}

/** "12 of 48,210" */
export function rateText({ turns, thrown }: ThrowRate): string {
  return `${thrown.toLocaleString("en")} of ${turns.toLocaleString("en")}`;
}
