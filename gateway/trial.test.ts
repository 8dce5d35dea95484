import { expect, test } from "vitest";
import { Trial } from "./trial.ts";

const trialMs = 5_000;

function trial(): Trial {
  const trial = new Trial();
  trial.activated({ release: "a", generation: 1 }, 0);
  trial.activated({ release: "b", generation: 2, trialMs }, 1_000);
  return trial;
}

test("a release is blamed for deaths while it is watched, and no other is", () => {
  const watched = trial();
  expect([1_000, 5_999, 6_000].map((now) => watched.isBlamed("b", now))).toEqual([true, true, false]);
  expect(watched.isBlamed("a", 2_000)).toBe(false);
});

test("one that is taken back is blamed for what is left of it, until it is activated again", () => {
  const takenBack = trial();
  takenBack.activated({ release: "a", generation: 3 }, 2_000);
  expect([takenBack.isBlamed("b", 99_000), takenBack.isBlamed("a", 2_000)]).toEqual([true, false]);
  takenBack.activated({ release: "b", generation: 4 }, 100_000);
  expect(takenBack.isBlamed("b", 100_000)).toBe(false);
});

test("one that another one replaces during its trial is blamed for what is left of it, and so is that one", () => {
  const twice = trial();
  twice.activated({ release: "c", generation: 3, trialMs }, 2_000);
  expect(["a", "b", "c"].map((release) => twice.isBlamed(release, 6_500))).toEqual([false, true, true]);
});

test("one that has stood its trial is not blamed when the next one replaces it", () => {
  const replaced = trial();
  replaced.activated({ release: "c", generation: 3, trialMs }, 7_000);
  expect([replaced.isBlamed("b", 7_000), replaced.isBlamed("c", 7_000)]).toEqual([false, true]);
  const later = trial();
  later.activated({ release: "c", generation: 3 }, 7_000);
  expect(later.isBlamed("b", 7_000)).toBe(false);
});
