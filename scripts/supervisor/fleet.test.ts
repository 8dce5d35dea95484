import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Release } from "../releases/release.ts";
import type { Crew } from "./crew.ts";
import { Fleet } from "./fleet.ts";

const warmMs = 1_000;
let stopped: string[];
let fleet: Fleet;

beforeEach(() => {
  vi.useFakeTimers();
  stopped = [];
  fleet = new Fleet({
    warmMs,
    stopTimeoutMs: 0,
    start: (release) => ({ release, takeWork: () => undefined, stop: async () => void stopped.push(release.id) }) as Partial<Crew> as Crew,
    record: () => undefined,
    remember: () => undefined,
    announce: () => undefined,
    onDrained: () => undefined,
  });
});

afterEach(() => {
  vi.useRealTimers();
});

test("a replaced crew ends after its time, but not while it is about to be activated again", () => {
  for (const [index, id] of ["1", "2"].entries()) {
    fleet.activate(fleet.standby({ id } as Release, 1), index + 1, { isRecorded: true });
  }
  fleet.cool();
  vi.advanceTimersByTime(warmMs - 1);
  const warm = fleet.warm("1") as Crew;
  fleet.keepWarm(warm);
  vi.advanceTimersByTime(10 * warmMs);
  expect(stopped).toEqual([]);
  expect(fleet.warm("1")).toBe(warm);
  // It was not activated after all.
  fleet.cool();
  vi.advanceTimersByTime(warmMs);
  expect(stopped).toEqual(["1"]);
  expect(fleet.warm("1")).toBeUndefined();
});
