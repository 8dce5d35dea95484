import { beforeEach, expect, test } from "vitest";
import { PacedUpgrades } from "./paced-upgrades.ts";

let now: number;
let steps: Array<() => void>;
let taken: number[];
let upgrades: PacedUpgrades;

beforeEach(() => {
  now = 1_000;
  steps = [];
  taken = [];
  upgrades = new PacedUpgrades({ now: () => now, later: (run) => void steps.push(run), sliceMs: 5 });
});

/** Each takes 2 ms. */
function come(...numbers: readonly number[]): void {
  for (const number of numbers) {
    upgrades.take(() => {
      taken.push(number);
      now += 2;
    });
  }
}

/** The event loop has looked at everything else. */
function step(): number[] {
  for (const run of steps.splice(0)) run();
  return taken.splice(0);
}

test("upgrades that come one by one are taken at once", () => {
  for (let number = 0; number < 10; number++) {
    come(number);
    expect(taken.splice(0)).toEqual([number]);
    now += 100;
    expect(step()).toEqual([]);
  }
  expect(steps).toEqual([]);
});

test("of those that come together only a slice is taken in a step of the event loop; the others follow in order, newer ones behind them", () => {
  come(1, 2, 3, 4, 5);
  expect([taken.splice(0), upgrades.size]).toEqual([[1, 2, 3], 2]);
  come(6, 7);
  expect(step()).toEqual([4, 5, 6]);
  come(8);
  expect(step()).toEqual([7, 8]);
  expect(step()).toEqual([]);
  expect([steps, upgrades.size]).toEqual([[], 0]);
});

test("what else was done in the step counts: after that, upgrades wait for the next one", () => {
  come(1);
  now += 50;
  come(2);
  expect([taken.splice(0), upgrades.size]).toEqual([[1], 1]);
  expect(step()).toEqual([2]);
});
