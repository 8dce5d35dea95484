import { expect, test } from "vitest";
import { KeptState } from "./kept-state.ts";

const bytes = (...list: number[]) => Uint8Array.from(list);
const stateOf = (kept: KeptState, release: string) => [...(kept.givenTo(release).state ?? [])];

test("a release finds what was set last, and looking for it changes nothing", () => {
  const kept = new KeptState(bytes(1));
  expect(kept.givenTo("1")).toEqual({ state: bytes(1), own: undefined });
  kept.set(bytes(2), "1", false);
  expect(kept.givenTo("2")).toEqual({ state: bytes(2), own: undefined });
  kept.set(bytes(3), "2", true);
  kept.set(bytes(4), "2", true);
  expect(kept.foundBy("3")).toEqual({ state: bytes(4), own: undefined });
  expect(kept.foundBy("1")).toEqual({ state: bytes(2), own: undefined });
  expect(kept.current).toEqual(bytes(4));
});

test("a release that is brought back has what a migrate had replaced, and leaves that to the next one", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(2), "2", true);
  expect(stateOf(kept, "1")).toEqual([1]);
  // No turn has set it since.
  expect(stateOf(kept, "3")).toEqual([1]);
  expect(kept.foundBy("2")).toEqual({ state: bytes(2), own: undefined });
  kept.givenTo("1");
  kept.set(bytes(3), "1", false);
  // What is new goes first.
  expect(kept.givenTo("2")).toEqual({ state: bytes(3), own: expect.objectContaining({ state: bytes(2) }) });
});

test("what no migrate had to replace stays, and what the release had itself is told", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("1");
  kept.set(bytes(2), "2", false);
  // The second time: another of its workers.
  for (let worker = 0; worker < 2; worker++) {
    expect(kept.givenTo("1")).toEqual({ state: bytes(2), own: expect.objectContaining({ state: bytes(1) }) });
  }
});

test("a release that has only looked at the state has it back as well", () => {
  const kept = new KeptState(bytes(1));
  for (const release of ["1", "2", "3"]) kept.givenTo(release);
  kept.set(bytes(3), "3", true);
  expect(stateOf(kept, "2")).toEqual([1]);
  expect(stateOf(kept, "1")).toEqual([1]);
});

test("each release down to the fourth before has its own, one after the other or at once", () => {
  const made = () => {
    const kept = new KeptState(bytes(0));
    for (let release = 0; release < 6; release++) {
      kept.givenTo(String(release));
      kept.set(bytes(release), String(release), true);
    }
    return kept;
  };
  const kept = made();
  for (const release of [4, 3, 2, 1]) expect(stateOf(kept, String(release))).toEqual([release]);
  for (const release of [4, 3, 2, 1]) expect(stateOf(made(), String(release))).toEqual([release]);
  expect(stateOf(made(), "0")).toEqual([5]);
});

test("two releases back: the newest state of the shape that the release knows, and what it had left itself", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("1");
  kept.set(bytes(2), "2", false);
  kept.set(bytes(3), "3", true);
  expect(kept.givenTo("1")).toEqual({ state: bytes(2), own: expect.objectContaining({ state: bytes(1) }) });
  // And forward again.
  expect(stateOf(kept, "3")).toEqual([3]);
  expect(stateOf(kept, "2")).toEqual([2]);
});

test("however many releases were tried and taken back, the ones below keep theirs", () => {
  const kept = new KeptState(bytes(0));
  kept.givenTo("0");
  kept.givenTo("1");
  kept.set(bytes(1), "1", true);
  for (const tried of "abcdefg") {
    kept.givenTo(tried);
    kept.set(bytes(9), tried, tried < "d");
    kept.givenTo("1");
    kept.set(bytes(2), "1", false);
  }
  expect(stateOf(kept, "0")).toEqual([0]);
});

test("the release before is known, however many were tried and never set it", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("0");
  for (const tried of "abcdef") {
    kept.givenTo("1");
    kept.givenTo(tried);
  }
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(2), "2", true);
  expect(stateOf(kept, "1")).toEqual([1]);
});

test("a release that had only looked, and sets the state once it is back, leaves the one below what that had", () => {
  const kept = new KeptState(bytes(1));
  for (const release of ["1", "2", "3"]) kept.givenTo(release);
  kept.set(bytes(3), "3", false);
  kept.givenTo("2");
  kept.set(bytes(2), "2", true);
  expect(stateOf(kept, "1")).toEqual([1]);
});

test("what was taken back stays a migrate away, however many workers of the release that is back set the state", () => {
  const kept = new KeptState(bytes(1));
  kept.givenTo("1");
  kept.set(bytes(2), "2", false);
  kept.givenTo("1");
  kept.set(bytes(3), "1", true);
  kept.givenTo("1");
  kept.set(bytes(4), "1", false);
  expect(kept.foundBy("2").state).toEqual(bytes(2));
});

test("a state that no turn has set is of the release that had the connection first", () => {
  const kept = new KeptState(undefined);
  kept.givenTo("1");
  kept.givenTo("2");
  kept.set(bytes(1), "2", true);
  expect(kept.givenTo("1")).toEqual({ state: undefined, own: undefined });
});
