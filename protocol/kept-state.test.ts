import { expect, test } from "vitest";
import { KeptState } from "./kept-state.ts";

const bytes = (...list: number[]) => Uint8Array.from(list);

test("what a release had left is told to its own workers only, and only once another one has replaced it", () => {
  const kept = new KeptState(bytes(1));
  expect(kept.givenTo("1")).toBeUndefined();
  kept.set(bytes(2), "1", false);
  expect(kept.givenTo("1")).toBeUndefined();
  expect(kept.givenTo("2")).toBeUndefined();
  kept.set(bytes(3), "2", true);
  kept.set(bytes(4), "2", true);
  expect(kept.current).toEqual(bytes(4));
  expect(kept.givenTo("2")).toBeUndefined();
  expect(kept.givenTo("3")).toBeUndefined();
  expect(kept.givenTo("1")).toEqual({ release: "1", state: bytes(2), isMigrated: true });
});

test("a state that no turn has set is of the release that had the connection first", () => {
  const kept = new KeptState(undefined);
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(1), "2", true);
  expect(kept.givenTo("1")).toEqual({ release: "1", state: undefined, isMigrated: true });
});

test("it keeps one", () => {
  const kept = new KeptState(bytes(1));
  for (const release of ["1", "2", "3"]) {
    kept.givenTo(release);
    kept.set(bytes(Number(release)), release, false);
  }
  expect([kept.givenTo("1"), kept.givenTo("2")?.state]).toEqual([undefined, bytes(2)]);
});
