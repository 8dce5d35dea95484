import { expect, test } from "vitest";
import { ProcessorWatch, processorTimes } from "./processors.ts";

/** @param idleMs What the processors were idle in ten seconds, all together. */
function after(count: number, idleMs: number): string | undefined {
  const times = { count, idleMs: 123_456 };
  let nowMs = 7;
  const watch = new ProcessorWatch(
    () => ({ ...times }),
    () => nowMs,
  );
  times.idleMs += idleMs;
  nowMs += 10_000;
  return watch.busyText();
}

test.each([
  [2, 0, "the machine is busy (its 2 processors were idle for 0 % of the time)"],
  [2, 2_400, "the machine is busy (its 2 processors were idle for 12 % of the time)"],
  [1, 500, "the machine is busy (its processor was idle for 5 % of the time)"],
  [2, 2_500, undefined],
  [64, 2_500, undefined],
  // Where the system does not tell.
  [0, 0, undefined],
])("%i processors that were idle for %i ms of 10 s", (count, idleMs, text) => {
  expect(after(count, idleMs)).toBe(text);
});

test("the system tells how long processors were idle", () => {
  const { count, idleMs } = processorTimes();
  expect(count).toBeGreaterThan(0);
  expect(idleMs).toBeGreaterThan(0);
});
