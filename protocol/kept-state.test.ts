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
  expect(kept.leftBy("1")).toEqual({ release: "1", state: bytes(2), isMigrated: true });
});

test("a release that is brought back has what a migrate had replaced, and leaves that to the next one", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(2), "2", true);
  expect([kept.givenTo("1"), kept.current]).toEqual([undefined, bytes(1)]);
  // No turn has set it since.
  expect([kept.givenTo("3"), kept.current]).toEqual([undefined, bytes(1)]);
  expect(kept.leftBy("2")).toEqual({ release: "2", state: bytes(2), isMigrated: true });
  kept.givenTo("1");
  kept.set(bytes(3), "1", false);
  // What is new goes first.
  expect(kept.givenTo("2")).toEqual({ release: "2", state: bytes(2), isMigrated: false });
  expect(kept.current).toEqual(bytes(3));
});

test("what no migrate had to replace stays, and what the release had itself is told", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("1");
  kept.set(bytes(2), "2", false);
  expect(kept.givenTo("1")).toEqual({ release: "1", state: bytes(1), isMigrated: false });
  // Another of its workers.
  expect(kept.givenTo("1")?.state).toEqual(bytes(1));
  expect(kept.current).toEqual(bytes(2));
});

test("a release that has only looked at the state has it back as well", () => {
  const kept = new KeptState(bytes(1));
  for (const release of ["1", "2", "3"]) kept.givenTo(release);
  kept.set(bytes(3), "3", true);
  expect([kept.givenTo("2"), kept.current]).toEqual([undefined, bytes(1)]);
  expect([kept.givenTo("1"), kept.current]).toEqual([undefined, bytes(1)]);
});

test("the release before is known, however many were tried and taken back", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("0");
  for (const tried of "abcdef") {
    kept.givenTo("1");
    kept.givenTo(tried);
  }
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(2), "2", true);
  expect([kept.givenTo("1"), kept.current]).toEqual([undefined, bytes(1)]);
});

test("a state that no turn has set is of the release that had the connection first", () => {
  const kept = new KeptState(undefined);
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(1), "2", true);
  expect(kept.leftBy("1")).toEqual({ release: "1", state: undefined, isMigrated: true });
});

test("it keeps one", () => {
  const kept = new KeptState(bytes(1));
  for (const release of ["1", "2", "3"]) {
    kept.givenTo(release);
    kept.set(bytes(Number(release)), release, false);
  }
  expect([kept.givenTo("1"), kept.givenTo("2")?.state]).toEqual([undefined, bytes(2)]);
});
