import { beforeEach, expect, test } from "vitest";
import { LockRecord } from "./lock-watch.ts";

let record: LockRecord;

beforeEach(() => {
  record = new LockRecord();
});

test("one after the other, each with a higher fence, is right", () => {
  for (const [rival, fence] of [
    ["a", 5],
    ["b", 7],
    ["a", 8],
  ] as const) {
    record.taken(rival, fence);
    record.left(rival);
  }
  expect([Object.fromEntries(record.takes), record.wrong]).toEqual([{ a: 2, b: 1 }, []]);
});

test("two at a time are told of", () => {
  record.taken("a", 5);
  record.taken("b", 7);
  expect(record.wrong).toEqual(["b has the lock with fence 7, and a with 5"]);
});

test("a fence that was given before, or is lower, is told of", () => {
  record.taken("a", 5);
  record.left("a");
  record.taken("b", 5);
  record.left("b");
  record.taken("c", 4);
  expect(record.wrong).toEqual(["b has the lock with fence 5 behind 5", "c has the lock with fence 4 behind 5"]);
});
