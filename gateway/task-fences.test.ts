import { expect, test } from "vitest";
import { TaskFences } from "./task-fences.ts";

test("whoever has a lower fence than somebody before him is refused, for each lease by itself", () => {
  const fences = new TaskFences();
  expect(fences.admits(["a", 5])).toBe(true);
  expect(fences.admits(["a", 5])).toBe(true);
  expect(fences.admits(["a", 4])).toBe(false);
  expect(fences.admits(["b", 1])).toBe(true);
  expect(fences.admits(["a", 6])).toBe(true);
  expect(fences.admits(["a", 5])).toBe(false);
});

test("of more leases than anybody has, those that were heard last stay", () => {
  const fences = new TaskFences();
  fences.admits(["first", 2]);
  fences.admits(["second", 2]);
  for (let index = 0; index < 9_999; index++) {
    fences.admits([`more ${index}`, 2]);
    fences.admits(["first", 2]);
  }
  expect(fences.admits(["first", 1])).toBe(false);
  expect(fences.admits(["second", 1])).toBe(true);
});
