import { expect, test } from "vitest";
import { PacedLog } from "./paced-log.ts";

test("the first of each kind is logged at once, then one a minute, with how many there were", () => {
  let now = 0;
  const paced = new PacedLog({ now: () => now });
  const lines: string[] = [];
  const meet = (kind: string) => paced.meet(kind, (count) => lines.push(`${kind} ${count}`));
  for (const kind of ["a", "a", "b", "a"]) meet(kind);
  now = 59_999;
  meet("a");
  expect(lines).toEqual(["a 1", "b 1"]);
  now = 60_000;
  for (const kind of ["a", "a", "b"]) meet(kind);
  expect(lines).toEqual(["a 1", "b 1", "a 4", "b 1"]);
});
