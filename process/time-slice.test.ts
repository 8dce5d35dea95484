import { expect, test } from "vitest";
import { runSlices } from "./time-slice.ts";

/** Each step takes a millisecond. */
function sliced(steps: number) {
  let now = 0;
  let done = 0;
  const slices: Array<() => void> = [];
  function* work() {
    for (; done < steps; done++) {
      now++;
      yield;
    }
  }
  const end = runSlices(work(), { now: () => now, later: (run) => void slices.push(run), sliceMs: 5 });
  return { end, slice: () => slices.shift()?.(), waiting: () => slices.length, done: () => done };
}

test("work goes on in slices until it ends, the first of them at once", () => {
  const { slice, waiting, done } = sliced(12);
  expect([done(), waiting()]).toEqual([4, 1]);
  slice();
  slice();
  expect([done(), waiting()]).toEqual([12, 0]);
});

test("work that was ended has no further slice", () => {
  const { end, slice, waiting, done } = sliced(12);
  end();
  slice();
  expect([done(), waiting()]).toEqual([4, 0]);
});
