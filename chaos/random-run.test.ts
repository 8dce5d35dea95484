import { expect, test } from "vitest";
import type { Footprint } from "./footprint.ts";
import { leftBehind } from "./random-run.ts";

const warm: Footprint = {
  gatewayBytes: 100_000_000,
  workerBytes: 80_000_000,
  gatewayFiles: 30,
  gatewayTimers: 6,
  supervisorFiles: 20,
  workers: 2,
  subscriptions: 12,
  topics: 0,
  connections: 0,
  parked: 0,
};

test("what has not grown, or within its slack, is nothing left behind", () => {
  expect(leftBehind(warm, { ...warm, gatewayFiles: 32, gatewayTimers: 8, gatewayBytes: 120_000_000 })).toEqual([]);
});

test.each([
  ["gatewayBytes", 201_000_000],
  ["workerBytes", 181_000_000],
  ["gatewayFiles", 33],
  ["gatewayTimers", 11],
  ["supervisorFiles", 23],
  ["subscriptions", 13],
  ["connections", 1],
  ["parked", 1],
] as const)("%s at %i is named", (what, value) => {
  expect(leftBehind(warm, { ...warm, [what]: value })).toEqual([expect.stringContaining(what)]);
});
