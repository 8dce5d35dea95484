import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { afterRunning, RunningClock } from "./running-time.ts";

test("a clock that is read often tells the time", () => {
  let now = 5_000;
  const clock = new RunningClock(() => now);
  const from = clock.read();
  for (let count = 0; count < 100; count++) {
    now += 50;
    clock.read();
  }
  expect(clock.read() - from).toBe(5_000);
});

test("of a standstill, however long, a quarter of a second counts", () => {
  let now = 5_000;
  const clock = new RunningClock(() => now);
  const from = clock.read();
  now += 3_600_000;
  expect(clock.read() - from).toBe(250);
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a wait ends in time, or not at all where it is stopped", () => {
  const ended: string[] = [];
  afterRunning(1_100, () => ended.push("long"));
  afterRunning(1, () => ended.push("short"));
  const stop = afterRunning(600, () => ended.push("stopped"));
  vi.advanceTimersByTime(500);
  stop();
  vi.advanceTimersByTime(599);
  expect(ended).toEqual(["short"]);
  vi.advanceTimersByTime(1);
  expect(ended).toEqual(["short", "long"]);
});
