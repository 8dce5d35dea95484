// Values for properties: whatever a state may hold, and what it may not.

import { inspect } from "node:util";
import fc from "fast-check";

/** The same text for the same value, with the classes, signs of 0 and order of keys in it. */
export function described(value: unknown): string {
  return inspect(value, { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null });
}

const key = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("constructor", "toJSON", "hasOwnProperty", "length", "kind", "then", ""),
);

const bytes = fc.uint8Array({ maxLength: 16 });
const bytesOfAnyKind = fc.oneof(
  bytes,
  bytes.map((parts) => Buffer.from(parts)),
  bytes.map((parts) => new Uint8Array(parts).buffer),
  bytes.map((parts) => new DataView(new Uint8Array(parts).buffer)),
  // A view of the middle of something larger.
  bytes.map((parts) => new Uint8Array(parts).subarray(1, 3)),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
);

const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, 0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 64n) - 2n, max: 2n ** 64n + 2n }),
  fc.constantFrom(2n ** 63n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 63n) - 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 600n),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.date({ noInvalidDate: false }),
  bytesOfAnyKind,
);

/** Storable, of every kind, nested. */
export const storable = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    leaf,
    fc.array(tie("any"), { maxLength: 5 }),
    fc.dictionary(
      key.filter((name) => name !== "__proto__"),
      tie("any"),
      { maxKeys: 5, noNullPrototype: true },
    ),
    fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("any"), { maxLength: 4 }).map((parts) => new Set(parts)),
  ),
})).any;

class Point {
  x = 1;
}

class Names extends Map {}
class List extends Array {}

function withProperty(value: object, name: PropertyKey, property: PropertyDescriptor = { value: 1, enumerable: true }): object {
  return Object.defineProperty(value, name, property);
}

/** Each new at each call: what is refused is not to be changed either. */
export const unstorable: Readonly<Record<string, () => unknown>> = {
  "a function": () => () => undefined,
  "an async function": () => async () => undefined,
  "a class": () => Point,
  "a symbol": () => Symbol("a"),
  "an instance of a class": () => new Point(),
  "an instance of a class of Maps": () => new Names(),
  "an instance of a class of arrays": () => List.from([1]),
  "a RegExp": () => /a/g,
  "an Error": () => new RangeError("a"),
  "a URL": () => new URL("http://a/"),
  "a Promise": () => Promise.resolve(1),
  "a WeakMap": () => new WeakMap(),
  "a number in a box": () => new Number(1),
  "an iterator": () => [1].values(),
  "shared memory": () => new SharedArrayBuffer(1),
  "an object that inherits": () => Object.create({ a: 1 }),
  "a namespace object": () => Math,
  "half of a surrogate pair": () => "a\ud800",
  "the other half": () => "\udc00a".padEnd(100),
  "a key with half of a surrogate pair": () => ({ "\ud800": 1 }),
  "a key that is a symbol": () => ({ [Symbol("a")]: 1 }),
  "a key that is not enumerable": () => withProperty({}, "a", { value: 1 }),
  "the key __proto__": () => JSON.parse('{ "__proto__": 1 }'),
  "a hole in an array": () => Object.assign(Array(3), { 0: 1, 2: 3 }),
  "a Map with a property": () => withProperty(new Map(), "a"),
  "a Set with a property": () => withProperty(new Set(), "a"),
  "a Date with a property": () => withProperty(new Date(), "a"),
  "a part that contains itself": () => {
    const part: { again?: object } = {};
    part.again = { part };
    return part;
  },
  "a list that contains itself": () => {
    const list: unknown[] = [];
    list.push(list);
    return list;
  },
};
