import { expect, test } from "vitest";
import { isNoisy, ratiosOf, spreadOf } from "./ratio.ts";

test.each([
  { values: [3], spread: { median: 3, least: 3, most: 3 } },
  { values: [3, 1], spread: { median: 2, least: 1, most: 3 } },
  { values: [9, 1, 2], spread: { median: 2, least: 1, most: 9 } },
  { values: [10, 9, 1, 2], spread: { median: 5.5, least: 1, most: 10 } },
])("the spread of $values", ({ values, spread }) => {
  expect(spreadOf(values)).toEqual(spread);
});

test("a ratio is taken of two that were measured one after the other", () => {
  expect(ratiosOf([1, 4, 9], [2, 4, 3])).toEqual([0.5, 1, 3]);
});

test("noise is a spread of more than a quarter of the median", () => {
  expect(isNoisy({ median: 0.8, least: 0.71, most: 0.9 })).toBe(false);
  expect(isNoisy({ median: 0.8, least: 0.69, most: 0.9 })).toBe(true);
});
