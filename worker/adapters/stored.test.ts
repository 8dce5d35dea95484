import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { draftOf } from "./stored.ts";

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
