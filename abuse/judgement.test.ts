import { expect, test } from "vitest";
import { faultsOf, growthBytes, type Measured } from "./judgement.ts";

const mib = 1024 * 1024;
const memory = { gateway: 100 * mib, worker: 100 * mib, nats: 20 * mib };
const latency = { p50Ms: 1, p99Ms: 4, longestMs: 9, echoes: 1_000 };

const clean: Measured = {
  victim: { before: latency, during: latency, messages: 2_000, lost: 0, doubled: 0, reordered: 0, disconnected: [] },
  memory: { before: memory, peak: memory },
  loggedBytes: 0,
  bounds: { latencyMs: 50, logBytes: 1_000, heldBytes: 10 * mib },
};

function withP99(before: number, during: number): Measured {
  return { ...clean, victim: { ...clean.victim, before: { ...latency, p99Ms: before }, during: { ...latency, p99Ms: during } } };
}

test("where nothing has changed there is no fault", () => {
  expect(faultsOf(clean)).toEqual([]);
});

test("the victim's p99 may be 50 ms, or five times what it was", () => {
  expect(faultsOf(withP99(4, 50))).toEqual([]);
  expect(faultsOf(withP99(4, 50.1))).toEqual(["the victim's p99 grew from 4 to 50.1 ms, above 50 ms"]);
  expect(faultsOf(withP99(20, 100))).toEqual([]);
  expect(faultsOf(withP99(20, 101))).toHaveLength(1);
});

test("one lost echo is a fault, and so is one disconnected client", () => {
  expect(faultsOf({ ...clean, victim: { ...clean.victim, lost: 1 } })).toEqual(["of the victim's echoes, 1 lost, 0 doubled, 0 reordered"]);
  expect(faultsOf({ ...clean, victim: { ...clean.victim, disconnected: ["1013 parked.total"] } })).toEqual([
    "1 of the victim's connections closed: 1013 parked.total",
  ]);
});

test("a victim without echoes did not have a good time", () => {
  const during = { p50Ms: 0, p99Ms: 0, longestMs: 0, echoes: 0 };
  expect(faultsOf({ ...clean, victim: { ...clean.victim, during } })).toEqual(["the victim had no echo during the abuse"]);
});

test("each process may grow by its own bound, at its peak", () => {
  for (const process of ["gateway", "worker", "nats"] as const) {
    const peak = { ...memory, [process]: memory[process] + growthBytes(10 * mib)[process] };
    expect(faultsOf({ ...clean, memory: { before: memory, peak } })).toEqual([]);
    const more = { ...memory, [process]: peak[process] + mib };
    expect(faultsOf({ ...clean, memory: { before: memory, peak: more } })).toHaveLength(1);
  }
});

test("the log may grow by its bound", () => {
  expect(faultsOf({ ...clean, loggedBytes: 1_000 })).toEqual([]);
  expect(faultsOf({ ...clean, loggedBytes: 1_001 })).toHaveLength(1);
});
