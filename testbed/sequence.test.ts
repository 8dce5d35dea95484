import { expect, test } from "vitest";
import { Sequence } from "./sequence.ts";

function taken(...numbers: number[]): Sequence {
  const sequence = new Sequence(1);
  for (const number of numbers) sequence.take(number);
  return sequence;
}

test.each([
  { numbers: [1, 2, 3], lost: 0, doubled: 0, reordered: 0 },
  { numbers: [1, 3], lost: 1, doubled: 0, reordered: 0 },
  { numbers: [1, 2], lost: 1, doubled: 0, reordered: 0 },
  { numbers: [1, 3, 2], lost: 0, doubled: 0, reordered: 1 },
  { numbers: [1, 1, 2, 3, 2], lost: 0, doubled: 2, reordered: 0 },
  { numbers: [3, 1, 1], lost: 1, doubled: 1, reordered: 1 },
  { numbers: [], lost: 3, doubled: 0, reordered: 0 },
])("of three, $numbers", ({ numbers, ...figures }) => {
  const sequence = taken(...numbers);
  expect({ lost: sequence.lost(3), doubled: sequence.doubled, reordered: sequence.reordered }).toEqual(figures);
});

test("without an end only gaps are lost", () => {
  expect(taken(1, 2, 4).lost()).toBe(1);
});
