import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkerHello } from "../protocol/membership.ts";
import { countsOf, isWidespread, isWorse, rateOf, rateSince, rateText, type ThrowRate, throwsClearlyMore } from "./throw-rate.ts";

const rate = (thrown: number, turns: number): ThrowRate => ({ thrown, turns });

describe("throws clearly more often:", () => {
  test.each([
    ["a release that breaks a quarter of all messages", rate(310, 1_200), rate(12, 48_210)],
    ["one that always throws, in a quiet system", rate(10, 10), rate(0, 10)],
    ["twice as often, in a busy system", rate(200, 10_000), rate(1_000, 100_000)],
  ])("%s", (_, now, before) => expect(throwsClearlyMore(now, before)).toBe(true));
});

describe("does not throw clearly more often:", () => {
  test.each([
    ["one throw among a few turns", rate(1, 10), rate(0, 50_000)],
    ["nine throws and nothing else", rate(9, 9), rate(0, 50_000)],
    ["an error rate of 5 % that was always there", rate(60, 1_000), rate(5_000, 100_000)],
    ["a rise that is significant and small", rate(15_000, 1_000_000), rate(10_000, 1_000_000)],
    ["what had thrown always, too", rate(1_000, 1_000), rate(1_000, 1_000)],
    ["where nothing was said before", rate(1_000, 1_000), rate(0, 0)],
    ["where hardly anything went well before", rate(1_000, 1_000), rate(0, 9)],
    ["nothing at all", rate(0, 0), rate(0, 0)],
  ])("%s", (_, now, before) => expect(throwsClearlyMore(now, before)).toBe(false));
});

test("what is said to be clear is chance, by Fisher's exact test, in less than one of 500 cases", () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20_000 }));
  const count = fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 500 }));
  fc.assert(
    fc.property(size, count, size, count, (turns, thrown, turnsBefore, thrownBefore) => {
      const [now, before] = [rate(Math.min(thrown, turns), turns), rate(Math.min(thrownBefore, turnsBefore), turnsBefore)];
      return !throwsClearlyMore(now, before) || chance(now, before) < 1 / 500;
    }),
    { numRuns: 20_000 },
  );
});

test("a fault that the old release has met lately, too, is not the new one's", () => {
  const now = rate(300, 1_000);
  expect(isWorse(now, { life: rate(12, 48_210), lately: rate(0, 500) })).toBe(true);
  expect(isWorse(now, { life: rate(12, 48_210), lately: rate(3, 3) })).toBe(true);
  expect(isWorse(now, { life: rate(212, 48_210), lately: rate(200, 500) })).toBe(false);
});

describe("throws are widespread", () => {
  const hello = (heard: number[], threw: number[]) => ({ addresses: { heard, threw } }) as unknown as WorkerHello;
  const first = (count: number) => Array.from({ length: count }, (_, index) => index);

  test.each([
    ["where the only client is one of them", [hello([1], [1])], true],
    ["where they come from a quarter of all that spoke", [hello([1, 2, 3, 4], [4])], true],
    ["where they come from fewer", [hello([1, 2, 3, 4, 5], [5])], false],
    [
      "where they come from ten addresses, of however many",
      [hello(first(40), [100, 101, 102, 103, 104]), hello([], [105, 106, 107, 108, 109])],
      true,
    ],
    ["where nine of many workers' clients throw", first(9).map((worker) => hello(first(40), [100 + worker])), false],
    ["where one address throws in all workers", [hello([1, 2, 3], [9]), hello([4, 5, 6], [9])], false],
    ["where a worker is of a version that does not tell", [hello(first(40), [1]), {} as WorkerHello], true],
  ])("at the end of the watch, %s: %j", (_, hellos, expected) => expect(isWidespread(hellos, true)).toBe(expected));

  test.each([
    ["not where a stranger is a quarter of those who have spoken so far", [hello([1, 2, 3], [9])], false],
    ["not where the only one who has spoken so far is one", [hello([9], [9])], false],
    ["where they come from ten addresses", [hello([], first(10))], true],
  ])("before that, %s: %j", (_, hellos, expected) => expect(isWidespread(hellos, false)).toBe(expected));
});

test("counts are those of all workers since a moment, upgrades and HTTP included", () => {
  const hello = (id: string, counts: number[] | undefined) => {
    const [turns = 0, thrown = 0, answers = 0, failed = 0] = counts ?? [];
    return { id, ...(counts && { counts: { turns, thrown, timedOut: 0, answers, failed } }) } as WorkerHello;
  };
  const earlier = countsOf([hello("a", [100, 10, 20, 2]), hello("gone", [9, 9, 9, 9])]);
  const hellos = [hello("a", [150, 11, 30, 2]), hello("new", [5, 1, 0, 0]), hello("of a version that does not count", undefined)];
  expect(rateSince(earlier, hellos)).toEqual(rate(2, 65));
  expect(rateOf(hellos)).toEqual(rate(14, 185));
  expect(rateText(rate(12, 48_210))).toBe("12 of 48,210");
});

/** How likely so many throws, or more, are among the later turns, if both releases throw alike. */
function chance(now: ThrowRate, before: ThrowRate): number {
  const [all, thrown] = [now.turns + before.turns, now.thrown + before.thrown];
  let sum = 0;
  for (let count = now.thrown; count <= Math.min(thrown, now.turns); count++) {
    sum += Math.exp(lnChoose(thrown, count) + lnChoose(all - thrown, now.turns - count) - lnChoose(all, now.turns));
  }
  return sum;
}

const lnFactorials = [0];

function lnFactorial(n: number): number {
  while (lnFactorials.length <= n) lnFactorials.push((lnFactorials.at(-1) ?? 0) + Math.log(lnFactorials.length));
  return lnFactorials[n] ?? 0;
}

function lnChoose(n: number, k: number): number {
  return k < 0 || k > n ? Number.NEGATIVE_INFINITY : lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k);
}
