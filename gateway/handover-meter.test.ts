import { expect, test } from "vitest";
import { HandoverMeter } from "./handover-meter.ts";

const done = { remaining: 0, adopted: true };

test("there is nothing to report before a release was activated", () => {
  expect(new HandoverMeter().report(done)).toBeUndefined();
});

test("what an activation costs is told with its generation", () => {
  const meter = new HandoverMeter();
  meter.begin(3, 10);
  meter.moved(4);
  meter.moved(0.5);
  meter.parked();
  meter.redelivered();
  for (const code of ["state.incompatible", "state.incompatible", "handler.thrown"]) meter.closed(code);
  const { pauses, ...report } = meter.report({ remaining: 1, adopted: false }) ?? { pauses: [] };
  expect(report).toEqual({
    ...{ generation: 3, before: 10, remaining: 1, moved: 2, parked: 1, redelivered: 1, longestPauseMs: 4 },
    ...{ closed: { "state.incompatible": 2, "handler.thrown": 1 }, adopted: false },
  });
  expect(pauses.reduce((sum, count) => sum + count, 0)).toBe(2);
});

test("the next activation begins at zero", () => {
  const meter = new HandoverMeter();
  meter.begin(3, 10);
  meter.moved(4);
  meter.parked();
  meter.redelivered();
  meter.closed("state.incompatible");
  meter.begin(4, 12);
  expect(meter.report(done)).toEqual({
    ...{ generation: 4, before: 12, remaining: 0, moved: 0, parked: 0, redelivered: 0, longestPauseMs: 0 },
    ...{ closed: {}, adopted: true, pauses: expect.anything() },
  });
});

test("a report is not changed by what is measured later", () => {
  const meter = new HandoverMeter();
  meter.begin(1, 1);
  const report = meter.report(done);
  meter.moved(1);
  meter.closed("state.incompatible");
  expect(report?.pauses.every((count) => count === 0)).toBe(true);
  expect(report?.closed).toEqual({});
});
