// What may be in a connection's state, and the copy of it that turns see. Such a copy cannot be changed in place: that would
// change it for this worker alone, until the next one takes over. What would not come back as it was is refused.

import { CodedError } from "../protocol/errors.ts";
import { bytesOfKind, kindOfBytes, viewOf } from "./kinds-of-bytes.ts";

/** As deep as a state may be nested: what reads it recurses, schema libraries too. */
const depthLimit = 500;
/** Each part takes a byte at least, and STATE_BYTES is less. It ends copies of what refers to the same part again and again. */
const partsLimit = 512 * 1024;
/** msgpackr writes no larger maps. */
const keysLimit = 65_535;

class ReadOnlyMap<Key, Value> extends Map<Key, Value> {}
class ReadOnlySet<Value> extends Set<Value> {}
class ReadOnlyDate extends Date {}

disguise(ReadOnlyMap, Map, ["set", "delete", "clear", "getOrInsert", "getOrInsertComputed"]);
disguise(ReadOnlySet, Set, ["add", "delete", "clear"]);
disguise(
  ReadOnlyDate,
  Date,
  Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith("set")),
);

/** States with bytes in them, of which each turn needs a copy of its own: nothing makes bytes read-only. */
const withBytes = new WeakSet<object>();
/** States with something in them that plain msgpack does not tell from something else. */
const withTags = new WeakSet<object>();

/**
 * A deep copy whose objects, arrays, Maps, Sets and Dates throw a TypeError where they are changed. Its bytes can be changed: see
 * `ownCopy`. Objects without a prototype get the usual one, getters become values, each reference to a part becomes a copy of it, and
 * arrays and bytes have nothing beside their elements.
 * @throws {CodedError} "state.invalid" with the path of what would not come back as it is; "state.tooLarge".
 */
export function readOnlyCopy<Value>(value: Value): Value {
  const copier = new Copier();
  const copy = copier.copy(value);
  if (typeof copy === "object" && copy !== null) {
    if (copier.hasBytes) withBytes.add(copy);
    if (copier.needsTags) withTags.add(copy);
  }
  return copy as Value;
}

/** What a turn may be shown of a `readOnlyCopy`: where that has bytes, a copy that the turn cannot spoil for the next one. */
export function ownCopy<Value>(state: Value): Value {
  return typeof state === "object" && state !== null && withBytes.has(state) ? readOnlyCopy(state) : state;
}

/** Whether a `readOnlyCopy` is, with all its parts, what plain msgpack gives back as it was. */
export function isPlain(state: unknown): boolean {
  return typeof state === "object" && state !== null && !withTags.has(state);
}

class Copier {
  hasBytes = false;
  needsTags = false;
  private parts = 0;
  /** Where the copy is: the objects around it, and the name of each next one in the one before. */
  private readonly around: object[] = [];
  private readonly path: unknown[] = [];

  copy(value: unknown): unknown {
    if (++this.parts > partsLimit) throw new CodedError("state.tooLarge", `the state has more than ${partsLimit} parts or bytes`);
    switch (typeof value) {
      case "object":
        return value === null ? null : this.object(value);
      case "string":
        if (!value.isWellFormed()) this.refuse("text with half of a surrogate pair");
        return value;
      case "number":
        if (Object.is(value, -0)) this.needsTags = true;
        return value;
      case "bigint":
        if (BigInt.asIntN(64, value) !== value) this.needsTags = true;
        return value;
      case "function":
      case "symbol":
        return this.refuse(`a ${typeof value}`);
      default:
        return value;
    }
  }

  private object(value: object): object {
    if (this.around.length >= depthLimit) this.refuseDepth(value);
    this.around.push(value);
    const copy = this.copyOfKind(value);
    this.around.pop();
    return copy;
  }

  private copyOfKind(value: object): object {
    switch (Object.getPrototypeOf(value)) {
      case Object.prototype:
      case null:
        return this.plainObject(value as Record<string, unknown>);
      case Array.prototype:
        return this.array(value as unknown[]);
      case Map.prototype:
      case ReadOnlyMap.prototype:
        return this.map(value as Map<unknown, unknown>);
      case Set.prototype:
      case ReadOnlySet.prototype:
        return this.set(value as Set<unknown>);
      case Date.prototype:
      case ReadOnlyDate.prototype:
        this.refuseProperties(value, 0);
        return Object.freeze(new ReadOnlyDate((value as Date).getTime()));
      default:
        return this.bytes(value);
    }
  }

  private plainObject(value: Record<string, unknown>): object {
    const keys = Object.keys(value);
    if (keys.length > keysLimit) this.refuse(`an object with more than ${keysLimit} keys (a Map may have more)`);
    this.refuseProperties(value, keys.length);
    const copy: Record<string, unknown> = {};
    for (const key of keys) {
      if (key === "__proto__") this.refuse('the key "__proto__"');
      if (!key.isWellFormed()) this.refuse("a key with half of a surrogate pair");
      copy[key] = this.part(key, value[key]);
    }
    return Object.freeze(copy);
  }

  // Properties that an array has beside its elements are not copied: to look for them is to make a string of every index.
  private array(value: readonly unknown[]): object {
    const copy: unknown[] = [];
    for (let index = 0; index < value.length; index++) {
      const part = value[index];
      if (part === undefined && !(index in value)) this.refusePart(index, "a hole in an array");
      copy.push(this.part(index, part));
    }
    return Object.freeze(copy);
  }

  private map(value: Map<unknown, unknown>): object {
    this.needsTags = true;
    this.refuseProperties(value, 0);
    const copy = new Map<unknown, unknown>();
    for (const [key, part] of value) {
      const copiedKey = this.part("a key", key);
      copy.set(copiedKey, this.part(typeof key === "object" ? copy.size : key, part));
    }
    return Object.freeze(Object.setPrototypeOf(copy, ReadOnlyMap.prototype));
  }

  private set(value: Set<unknown>): object {
    this.needsTags = true;
    this.refuseProperties(value, 0);
    const copy = new Set<unknown>();
    for (const part of value) copy.add(this.part(copy.size, part));
    return Object.freeze(Object.setPrototypeOf(copy, ReadOnlySet.prototype));
  }

  // As of arrays.
  private bytes(value: object): object {
    const kind = kindOfBytes(value);
    if (kind === undefined) return this.refuse(nameOfClass(value));
    if ("resizable" in value && value.resizable === true) return this.refuse("a resizable ArrayBuffer");
    this.hasBytes = true;
    if (kind !== "Buffer") this.needsTags = true;
    const view = viewOf(value as ArrayBuffer | ArrayBufferView);
    this.parts += view.length;
    const copy = new Uint8Array(view.length);
    copy.set(view);
    return bytesOfKind(kind, copy.buffer) as object;
  }

  private part(name: unknown, value: unknown): unknown {
    this.path.push(name);
    const copy = this.copy(value);
    this.path.pop();
    return copy;
  }

  private refuseProperties(value: object, expected: number): void {
    const names = Reflect.ownKeys(value);
    if (names.length === expected) return;
    const hidden = names.find((name) => typeof name === "symbol" || !isCopied(value, name));
    if (typeof hidden === "symbol") this.refuse("a property whose name is a symbol");
    this.refusePart(hidden, "a property that is not enumerable, or not of a plain object");
  }

  // Cycles are found as depth: to look for them in every object would cost more than that.
  private refuseDepth(value: object): never {
    const again = [...this.around, value].findIndex((part, depth, all) => all.indexOf(part) < depth);
    this.path.length = again === -1 ? 10 : again;
    if (again !== -1) this.refuse("a part that contains itself");
    this.refusePart("…", `a part that is nested more than ${depthLimit} deep`);
  }

  private refusePart(name: unknown, what: string): never {
    this.path.push(name);
    this.refuse(what);
  }

  private refuse(what: string): never {
    const path = this.path.map(String).join(".");
    const message = `${what} cannot be kept: it would not come back from a hand-over as it is`;
    throw new CodedError("state.invalid", path === "" ? message : `${path}: ${message}`, { issues: [{ path, message }] });
  }
}

function isCopied(value: object, name: string): boolean {
  const prototype = Object.getPrototypeOf(value);
  return (prototype === null || prototype === Object.prototype) && Object.prototype.propertyIsEnumerable.call(value, name);
}

function nameOfClass(value: object): string {
  const { constructor: from } = value;
  const name = typeof from === "function" ? from.name : "";
  return name === "" || name === "Object" ? "an object that inherits from another" : `an instance of ${name}`;
}

/** Instances pass for the original's, also where code compares constructors, but what would change them throws. */
function disguise(disguised: { prototype: object }, original: { prototype: object }, changing: readonly string[]): void {
  const value = () => {
    throw new TypeError("the state cannot be changed in place: call setState with a changed copy");
  };
  for (const name of changing) if (name in original.prototype) Object.defineProperty(disguised.prototype, name, { value });
  Object.defineProperty(disguised.prototype, "constructor", { value: original });
}
