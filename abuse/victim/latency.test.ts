import { expect, test } from "vitest";
import { latencyOf } from "./latency.ts";

test("the middle, the hundredth and the longest, whatever the order", () => {
  const ms = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect(latencyOf(ms)).toEqual({ p50Ms: 101, p99Ms: 199, longestMs: 200, echoes: 200 });
});

test("without echoes all is zero", () => {
  expect(latencyOf([])).toEqual({ p50Ms: 0, p99Ms: 0, longestMs: 0, echoes: 0 });
});
