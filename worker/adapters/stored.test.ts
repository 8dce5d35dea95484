import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { readOnlyCopy } from "../read-only.ts";
import { draftOf, isAsStored } from "./stored.ts";

test("a draft has all that a state may have, as it is, and is another", () => {
  const state = {
    list: [1, -0, 5n, "text", null, undefined, true],
    map: new Map<unknown, unknown>([[{ key: 1 }, Buffer.from("map")]]),
    set: new Set([Buffer.from("set")]),
    at: new Date(7),
    bytes: [Buffer.from("buffer"), Uint8Array.of(1), Float64Array.of(2), Uint8Array.of(3).buffer, new DataView(new ArrayBuffer(4))],
  };
  const draft = draftOf(state) as typeof state;
  expect(isDeepStrictEqual(draft, state)).toBe(true);
  expect([...draft.map.values(), ...draft.set].every((each) => Buffer.isBuffer(each))).toBe(true);
  const views = [draft.bytes[0] as Buffer, draft.bytes[1] as Uint8Array];
  for (const view of views) view[0] = 99;
  draft.list.push(1);
  expect([state.list.length, state.bytes[0], state.bytes[1]]).toEqual([7, Buffer.from("buffer"), Uint8Array.of(1)]);
});

test.each([
  ["a Date", new Date(7), new Date(8)],
  ["a Map", new Map([["a", 1]]), new Map([["a", 2]])],
  ["a Set", new Set([1]), new Set([2])],
  ["an ordered Map", new Map(Object.entries({ a: 1, b: 2 })), new Map(Object.entries({ b: 2, a: 1 }))],
  ["an ordered Set", new Set([1, 2]), new Set([2, 1])],
  ["a list", [1, [2]], [1, [3]]],
  ["something missing", { a: undefined }, { b: undefined }],
  ["a Buffer", Buffer.from("a"), Buffer.from("b")],
  ["text", "a", "b"],
])("a draft with %s in it is as what is stored until it is changed", (_, part, other) => {
  const stored = readOnlyCopy({ part });
  const draft = draftOf(stored) as { part: unknown };
  expect(isAsStored(draft, stored)).toBe(true);
  draft.part = other;
  expect(isAsStored(draft, stored)).toBe(false);
});
