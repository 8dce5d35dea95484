import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Activation } from "../protocol/membership.ts";
import type { Release } from "./releases/release.ts";
import type { WorkerPool } from "./worker-pool.ts";
import { WorkerPools } from "./worker-pools.ts";

const warmMs = 1_000;
let stopped: string[];
let announced: Activation[];
let pools: WorkerPools;

beforeEach(() => {
  vi.useFakeTimers();
  stopped = [];
  announced = [];
  pools = new WorkerPools({
    warmMs,
    stopTimeoutMs: 0,
    start: (release) =>
      ({ release, takeWork: () => undefined, stop: async () => void stopped.push(release.id) }) as Partial<WorkerPool> as WorkerPool,
    record: { write: () => undefined, writeGeneration: () => undefined },
    announce: (activation) => void announced.push(activation),
    onDrained: () => undefined,
  });
});

afterEach(() => {
  vi.useRealTimers();
});

test("a replaced pool ends after its time, but not while it is about to be activated again", () => {
  for (const [index, id] of ["1", "2"].entries()) {
    pools.activate(pools.standby({ id } as Release, 1), index + 1, { isRecorded: true, trialMs: 0 });
  }
  pools.cool();
  vi.advanceTimersByTime(warmMs - 1);
  const warm = pools.warm("1") as WorkerPool;
  pools.keepWarm(warm);
  vi.advanceTimersByTime(10 * warmMs);
  expect(stopped).toEqual([]);
  expect(pools.warm("1")).toBe(warm);
  // It was not activated after all.
  pools.cool();
  vi.advanceTimersByTime(warmMs);
  expect(stopped).toEqual(["1"]);
  expect(pools.warm("1")).toBeUndefined();
});

test("gateways are told for how long a release is watched, if it is", () => {
  for (const [index, trialMs] of [0, 5_000].entries()) {
    const pool = pools.standby({ id: String(trialMs) } as Release, 1);
    pools.activate(pool, index + 1, { isRecorded: true, trialMs });
  }
  expect(announced).toEqual([
    { release: "0", generation: 1 },
    { release: "5000", generation: 2, trialMs: 5_000 },
  ]);
  // Whoever starts later hears of no trial once nobody watches.
  pools.cool();
  expect(pools.activation).toEqual({ release: "5000", generation: 2 });
});
