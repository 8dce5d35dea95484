import { expect, test } from "vitest";
import { longestProvenPauseMs, nextPauseMs } from "./keeper.ts";

test("pauses double up to ten seconds while a child keeps dying", () => {
  const pauses = [nextPauseMs(0, 5)];
  while (pauses.length < 9) pauses.push(nextPauseMs(pauses.at(-1) ?? 0, 5));
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
});

test("a child that lived for ten seconds is started again at once", () => {
  expect(nextPauseMs(6400, 10_000)).toBe(100);
  expect(nextPauseMs(6400, 9_999)).toBe(10_000);
});

test("for one that has shown that it can work, pauses stay short, however often it is killed", () => {
  expect(nextPauseMs(800, 5, longestProvenPauseMs)).toBe(1_000);
  expect(nextPauseMs(1_000, 5, longestProvenPauseMs)).toBe(1_000);
  expect(nextPauseMs(6400, 5, longestProvenPauseMs)).toBe(1_000);
});
