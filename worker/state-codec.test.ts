import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { described, storable } from "../test/any-state.ts";
import { readOnlyCopy } from "./read-only.ts";
import { decodeState, encodeState } from "./state-codec.ts";

const limitBytes = 512 * 1024;

function handedOver(state: unknown): unknown {
  return decodeState(encodeState(readOnlyCopy(state), limitBytes));
}

test("a state of any kind comes back as it was", () => {
  fc.assert(
    fc.property(storable, (state) => {
      expect(described(handedOver(state))).toBe(described(state));
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  [new Date(8.64e15), new Date(-8.64e15), new Date(-1), new Date(4_294_967_295_999), new Date(4_294_967_296_001), new Date(Number.NaN)],
  [[-0, 0], { at: -0 }, -0],
  [new Float32Array([1.5, Number.NaN, -0]), new Uint8Array(0), Buffer.from([1])],
  [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n, -(2n ** 70_000n)],
  [
    new Map<unknown, unknown>([
      [{ a: 1 }, [1, [2]]],
      [new Map(), new Set([new Set()])],
      [1n, undefined],
    ]),
  ],
  [undefined, [undefined], { a: undefined }],
  [{ constructor: 1, toJSON: 2, hasOwnProperty: 3 }, Object.fromEntries(Array.from({ length: 65_535 }, (_, at) => [at, 1]))],
])("comes back as it was: %#", (...states) => {
  for (const state of states) expect(described(handedOver(state))).toBe(described(state));
});

test.runIf("Float16Array" in globalThis)("Float16Array, where Node has it", () => {
  const Float16 = (globalThis as unknown as { Float16Array: new (parts: number[]) => object }).Float16Array;
  expect(described(handedOver(new Float16([1.5])))).toBe(described(new Float16([1.5])));
});

test("more keys than msgpackr writes are refused before it is asked", () => {
  const state = Object.fromEntries(Array.from({ length: 65_536 }, (_, at) => [at, 1]));
  expect(() => readOnlyCopy(state)).toThrow(/^state\.invalid: an object with more than 65535 keys/);
});

test("what is plain msgpack stays plain msgpack, to be read by the release before and in any language", () => {
  const before = new Packr({ useRecords: false });
  const state = { name: "ada", list: [1, 2.5, null, true], at: new Date(1_234), big: 7n, bytes: Buffer.from([1, 2]), none: undefined };
  expect(encodeState(readOnlyCopy(state), limitBytes)).toEqual(before.pack(state));
  expect(decodeState(before.pack(state))).toStrictEqual(state);
});

test("as the release before wrote them, Maps are objects, Sets lists and all bytes Buffers: a migrate may mend that", () => {
  const before = new Packr({ useRecords: false });
  const stored = before.pack({ map: new Map([["a", 1]]), set: new Set([1]), bytes: new Uint8Array([1]) });
  expect(decodeState(stored)).toStrictEqual({ map: { a: 1 }, set: [1], bytes: Buffer.from([1]) });
});

test("a state that is too large is refused with its size", () => {
  expect(() => encodeState(readOnlyCopy("x".repeat(100)), 101)).toThrow(
    "state.tooLarge: the state has 102 bytes, at most 101 are allowed (STATE_BYTES)",
  );
});

test("what is not of ours is malformed", () => {
  const unknown = new Packr({ useRecords: false }).pack(["Imaginary", Buffer.from([1])]);
  expect(() => decodeState(Buffer.concat([Buffer.from([0xd4, 1, 0]), unknown]))).toThrow("envelope.malformed");
});
