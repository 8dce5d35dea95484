import { expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import { FaultMeter } from "./fault-meter.ts";
import { SparseLog } from "./sparse-log.ts";

test("counts every fault by its code, and lets none fill the log", () => {
  const lines: Array<[fields: object, text: string]> = [];
  const write = (fields: object, text: string) => lines.push([fields, text]);
  const log = new SparseLog({ warn: write, error: write }, () => 0);
  const faults = new FaultMeter((kind, err, text) => log.error(kind, { err }, text));
  const garbage = new CodedError("envelope.malformed", "not a batch");
  const bug = new Error("oops");
  for (let count = 0; count < 1_000; count++) faults.meet(garbage);
  for (let count = 0; count < 7; count++) faults.meet(bug);
  expect(faults.counts).toEqual({ "envelope.malformed": 1_000, bug: 7 });
  log.end();
  expect(lines).toEqual([
    ...Array.from({ length: 5 }, () => [{ code: "envelope.malformed", err: garbage }, "refused what came over NATS"]),
    ...Array.from({ length: 5 }, () => [{ err: bug }, "bug outside of any connection"]),
    [{ code: "envelope.malformed", leftOut: 995, seconds: 0 }, "refused what came over NATS (lines left out)"],
    [{ leftOut: 2, seconds: 0 }, "bug outside of any connection (lines left out)"],
  ]);
});
