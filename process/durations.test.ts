import { expect, test } from "vitest";
import { Durations, durationBounds } from "./durations.ts";

test("puts a duration into the first bucket whose bound it does not pass; what passes all has one of its own", () => {
  const durations = new Durations();
  for (const ms of [0, 0.1, 0.11, 30_000, 30_001]) durations.record(ms);
  const { counts, sum } = durations.sample({ route: "/" });
  const expected = durationBounds.map(() => 0);
  expected[0] = 2;
  expected[1] = 1;
  expected[durationBounds.length - 1] = 1;
  expect(counts).toEqual([...expected, 1]);
  expect(sum).toBeCloseTo(60.00121);
});
