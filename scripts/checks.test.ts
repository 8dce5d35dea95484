import { expect, test } from "vitest";
import { parseTally } from "./checks.ts";

test.each([
  ["1 passed, 0 failed\nlater\n\n12 passed, 3 failed, 4 skipped\nand more", { passed: 12, failed: 3, skipped: 4 }],
  ["12 passed, 0 failed\n", { passed: 12, failed: 0, skipped: 0 }],
  ["it began, and was killed: 12 passed, 0 failed", { passed: 0, failed: 1, skipped: 0 }],
])("the last tally of a run counts, and a run without one has failed", (said, tally) => {
  expect(parseTally(said)).toEqual(tally);
});
