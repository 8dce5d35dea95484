// How many messages a connection of a route may send: "20/10s" in a handler, { count, ms } in its worker's hello. Pure.

import * as v from "valibot";

/** What a RouteHello tells of it. */
export const messageRate = v.object({
  count: v.pipe(v.number(), v.integer(), v.minValue(1)),
  ms: v.pipe(v.number(), v.integer(), v.minValue(1)),
});

/** So many may come at once, and as many again in each further `ms`. */
export type MessageRate = v.InferOutput<typeof messageRate>;

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

const mostMessages = 1_000_000;
const longestMs = 24 * 3_600_000;

/** @param text "20/10s", with ms, s, m or h. @returns undefined for anything else, for more than a million, and for more than a day. */
export function parseMessageRate(text: string): MessageRate | undefined {
  const [, count, length, unit = ""] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})(ms|s|m|h)$/.exec(text) ?? [];
  const rate = { count: Number(count), ms: Number(length) * (units[unit] ?? Number.NaN) };
  return rate.count <= mostMessages && rate.ms <= longestMs ? rate : undefined;
}

/**
 * One message more. The "generic cell rate algorithm", as in gateway/rate.ts, with a burst of `count`.
 * @param usedUntil Until when past use lasts, in ms by the clock that `now` is of; 0: none.
 * @returns the same after this message; undefined where it is too much.
 */
export function useOne(usedUntil: number, now: number, { count, ms }: MessageRate): number | undefined {
  const step = ms / count;
  const from = Math.max(usedUntil, now);
  // A sum of steps is not exact: a thousandth of one is no message.
  return from + step * 0.999 > now + ms ? undefined : from + step;
}
