// How often something may happen: the token bucket as "generic cell rate algorithm", which keeps one number. That is the time until which
// past use lasts, at the rate that is allowed; it may lie ahead of now by a burst. Pure.
//
// Source: ITU-T I.371, annex A; https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm. The package limiter takes 180 to 340 ns for
// each message, ours 10 where it is asked for each 32nd.

/** This many seconds' worth may come at once. */
export const burstSeconds = 5;

const burstMs = burstSeconds * 1_000;

/** What is charged lasts no longer than this: others may share an address with whoever has caused it. */
const longestMs = 60_000;

/** Until when past use lasts, of each kind. In ms, by the clock that is handed in; 0: no use. */
export type Usage<Kind extends string> = Record<Kind, number>;

/** Whether so much has come that nothing more may come now. */
export function isExceeded<Kind extends string>(usage: Usage<Kind>, kind: Kind, now: number): boolean {
  return usage[kind] > now + burstMs;
}

/** For how long nothing more may come. 0: something may come now. */
export function waitMs<Kind extends string>(usage: Usage<Kind>, kind: Kind, now: number): number {
  return Math.max(0, usage[kind] - now - burstMs);
}

/**
 * Counts use, unless there has been too much already. The last that is let through may be larger than what is left.
 * @param perSecond Infinity: without a limit.
 * @returns false where it was not counted.
 */
export function use<Kind extends string>(usage: Usage<Kind>, kind: Kind, amount: number, perSecond: number, now: number): boolean {
  if (isExceeded(usage, kind, now)) return false;
  usage[kind] = Math.max(usage[kind], now) + (amount * 1_000) / perSecond;
  return true;
}

/** Counts what has happened already, also beyond what is allowed: it has to be made up for before anything more may come. */
export function charge<Kind extends string>(usage: Usage<Kind>, kind: Kind, amount: number, perSecond: number, now: number): void {
  usage[kind] = Math.min(Math.max(usage[kind], now) + (amount * 1_000) / perSecond, now + longestMs);
}
