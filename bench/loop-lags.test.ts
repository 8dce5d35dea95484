import { expect, test } from "vitest";
import { bucketsIn, lagOf } from "./loop-lags.ts";

test("reads the gateway's buckets, whatever labels stand before and behind", () => {
  const text = [
    "# TYPE thinstate_event_loop_lag_seconds histogram",
    'thinstate_event_loop_lag_seconds_bucket{le="0.001",process="gateway"} 5',
    'thinstate_event_loop_lag_seconds_bucket{process="gateway",le="0.5",x="y"} 7',
    'thinstate_event_loop_lag_seconds_bucket{process="worker",le="0.5"} 70',
    'thinstate_event_loop_lag_seconds_bucket{process="gateway",le="+Inf"} 8',
    'thinstate_turn_seconds_bucket{process="gateway",le="1"} 9',
  ].join("\n");
  expect(bucketsIn(text)).toEqual([
    [1, 5],
    [500, 7],
    [Infinity, 8],
  ]);
});

test("a figure is the upper bound of the bucket that it is in", () => {
  const counts = [
    { boundMs: 1, count: 990 },
    { boundMs: 5, count: 999 },
    { boundMs: 25, count: 1_000 },
    { boundMs: Infinity, count: 1_000 },
  ];
  expect(lagOf(counts)).toEqual({ p999Ms: 5, longestMs: 25 });
  expect(lagOf([])).toEqual({ p999Ms: 0, longestMs: 0 });
});
