import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import { described, storable, unstorable } from "../test/any-state.ts";
import { ownCopy, readOnlyCopy } from "./read-only.ts";

function refusalOf(value: unknown): CodedError {
  try {
    readOnlyCopy(value);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("what would not come back as it was is refused", () => {
  test.each(Object.entries(unstorable))("%s", (_, made) => {
    expect(refusalOf({ a: [made()] }).code).toBe("state.invalid");
    expect(refusalOf({ a: [made()] }).issues[0]?.path).toMatch(/^a\.0/);
    expect(refusalOf(made()).code).toBe("state.invalid");
  });

  test("wherever it is, with its path", () => {
    const around = fc.oneof(
      // __proto__ is refused by itself.
      fc
        .string({ unit: "grapheme-ascii", minLength: 1 })
        .filter((name) => name !== "__proto__")
        .map((name) => ({ name, wrap: (part: unknown) => ({ first: 1, [name]: part }) })),
      fc.nat({ max: 3 }).map((name) => ({ name, wrap: (part: unknown) => [...Array(name).fill(0), part, 0] })),
      fc.nat().map((name) => ({ name, wrap: (part: unknown) => new Map([[name, part]]) })),
      fc.nat({ max: 3 }).map((name) => ({ name, wrap: (part: unknown) => new Set([...[7, 8, 9].slice(0, name), part]) })),
    );
    fc.assert(
      fc.property(fc.array(around, { maxLength: 8 }), (layers) => {
        const state = layers.reduceRight((part: unknown, { wrap }) => wrap(part), /a/);
        const path = layers.map(({ name }) => name).join(".");
        const { message, issues } = refusalOf(state);
        expect(issues[0]?.path).toBe(path);
        expect(message).toContain(`${path === "" ? "" : `${path}: `}an instance of RegExp cannot be kept`);
      }),
    );
  });

  test("the key of a Map", () => {
    expect(
      refusalOf({
        seen: new Map<unknown, number>([
          [1, 1],
          [() => 1, 2],
        ]),
      }).message,
    ).toBe("state.invalid: seen.a key: a function cannot be kept: it would not come back from a hand-over as it is");
  });

  test("what is nested too deep, however it got there", () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < 500; depth++) deep = [deep];
    expect(() => readOnlyCopy(deep)).not.toThrow();
    expect(refusalOf([deep]).message).toContain("a part that is nested more than 500 deep");
    const cycle: Record<string, unknown> = {};
    cycle.a = { b: [cycle] };
    expect(refusalOf({ cycle }).issues[0]?.path).toBe("cycle.a.b.0");
  });

  test("a part that is referred to again and again is copied within bounds", () => {
    let many: unknown = [];
    for (let depth = 0; depth < 100; depth++) many = [many, many];
    expect(refusalOf(many).code).toBe("state.tooLarge");
    expect(refusalOf(Array(600).fill(new Uint8Array(1024))).code).toBe("state.tooLarge");
  });
});

test("a copy refers to nothing of what it was made of, and leaves that as it is", () => {
  const own = { list: [{ at: 1 }], map: new Map([["a", { list: [1] }]]), date: new Date(1), bytes: new Uint8Array([1]) };
  const copy = readOnlyCopy(own);
  own.list.push({ at: 2 });
  own.map.get("a")?.list.push(2);
  own.map.clear();
  own.date.setTime(2);
  own.bytes[0] = 2;
  expect(copy).toEqual({ list: [{ at: 1 }], map: new Map([["a", { list: [1] }]]), date: new Date(1), bytes: new Uint8Array([1]) });
});

test.each<[string, (state: ReturnType<typeof everyKind>) => unknown]>([
  ["a property", (state) => Object.assign(state, { more: 1 })],
  ["a nested property", (state) => Object.assign(state.list[0] as object, { at: 2 })],
  ["push", (state) => state.list.push({ at: 2 })],
  ["sort", (state) => state.list.reverse()],
  ["Map.set", (state) => state.map.set("a", 2)],
  ["Map.delete", (state) => state.map.delete("a")],
  ["Map.clear", (state) => state.map.clear()],
  ["Set.add", (state) => state.set.add({ at: 2 })],
  ["Set.delete", (state) => state.set.delete({ at: 2 })],
  ["Set.clear", (state) => state.set.clear()],
  ["in a Set", (state) => Object.assign([...state.set][0] as object, { at: 2 })],
  ["Date.setTime", (state) => state.date.setTime(2)],
  ["Date.setUTCHours", (state) => state.date.setUTCHours(2)],
])("changed in place, a copy throws: %s", (_, change) => {
  const copy = readOnlyCopy(everyKind());
  expect(() => change(copy)).toThrow(TypeError);
  expect(copy).toEqual(everyKind());
});

function everyKind() {
  return { list: [{ at: 1 }, { at: 2 }], map: new Map([["a", 1]]), set: new Set([{ at: 1 }]), date: new Date(1) };
}

test("bytes can be changed, in a copy of one's own", () => {
  const state = readOnlyCopy({ deep: [new Uint8Array([1])] });
  const own = ownCopy(state);
  own.deep[0]?.set([2]);
  expect([own.deep[0]?.[0], ownCopy(state).deep[0]?.[0]]).toEqual([2, 1]);
  const plain = readOnlyCopy(everyKind());
  expect(ownCopy(plain)).toBe(plain);
});

test("a copy passes for what it was made of", () => {
  fc.assert(
    fc.property(storable, (value) => {
      const copy = readOnlyCopy(value);
      expect(described(copy)).toBe(described(value));
      expect(described(readOnlyCopy(copy))).toBe(described(value));
      expect(described(structuredClone(copy))).toBe(described(structuredClone(value)));
    }),
  );
  expect(readOnlyCopy(everyKind())).toStrictEqual(everyKind());
});

test("what arrays and bytes have beside their elements is not copied, and not seen by the turn that sets it either", () => {
  expect(Object.keys(readOnlyCopy("abc".match(/b/) as object))).toEqual(["0"]);
  expect(readOnlyCopy(Object.assign(new Uint8Array(1), { more: 1 }))).not.toHaveProperty("more");
});

test("objects without a prototype get the usual one, getters become values, and frozen objects are copied like others", () => {
  const bare = Object.assign(Object.create(null), { a: 1 });
  expect(readOnlyCopy(bare)).toStrictEqual({ a: 1 });
  const got = readOnlyCopy({
    get a() {
      return Math.random();
    },
  });
  expect(got.a).toBe(got.a);
  expect(readOnlyCopy(Object.freeze([Object.freeze({ a: 1 })]))).toStrictEqual([{ a: 1 }]);
});
