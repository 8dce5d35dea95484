// Messages as bytes: JSON and MessagePack. Pure.
// Source: the WAMP protocol, "Serializers" and "Binary support in JSON".

import { addExtension, Packr } from "msgpackr";
import type { Message } from "../../../handler.ts";
import type { Serializer } from "./identifiers.ts";
import type { WampMessage } from "./messages.ts";

/** As deep as what a client sends may be nested; and whatever else is read or written, with room for what a client's is passed on in. */
const clientDepth = 100;
const depthLimit = 2 * clientDepth;

/** msgpackr would make it a floating-point number, or a signed one, which is none or another one to other languages. */
class LargeInteger {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

type Allocate = (bytes: number) => { readonly target: Uint8Array; readonly targetView: DataView; readonly position: number };
// As an integer of 64 bits: what `pack` writes itself gets no head of an extension.
const largeInteger = {
  Class: LargeInteger,
  type: 127,
  pack({ value }: LargeInteger, allocate: Allocate) {
    const { target, targetView, position } = allocate(9);
    target[position] = value < 0 ? 0xd3 : 0xcf;
    targetView.setBigInt64(position + 1, BigInt(value));
  },
  unpack: () => undefined,
};
addExtension(largeInteger as never);

/**
 * Integers up to 2^53 are numbers, beyond it bigints: msgpackr's types lack "auto". Its extensions that refer to other values are off: a
 * small message could be a graph with endless paths. So is its own `toJSON`, which calls whatever a client has sent by that name.
 */
const types = { int64AsType: "auto" as "number", structuredClone: false, useToJSON: false };
const packr = new Packr({ useRecords: false, variableMapSize: true, ...types });

/** A client has sent what is no message of its serializer. */
export class NotDecodable extends Error {}

export function encode(message: WampMessage, serializer: Serializer): string | Uint8Array {
  return serializer === "json" ? JSON.stringify(converted(message, toJson)) : pack(message);
}

/** @throws {NotDecodable} */
export function decode(message: Message, serializer: Serializer): unknown {
  if (message.isBinary !== (serializer === "msgpack")) throw new NotDecodable(`${serializer} is not in frames of this kind`);
  try {
    const isJson = serializer === "json";
    return converted(isJson ? message.json() : packr.unpack(message.bytes()), isJson ? fromJson : fromMsgpack, clientDepth);
  } catch (error) {
    throw new NotDecodable((error as Error).message);
  }
}

export function pack(value: unknown): Uint8Array {
  return packr.pack(converted(value, toMsgpack));
}

/** @throws where it is no MessagePack, or has extensions. */
export function unpack(bytes: Uint8Array): unknown {
  return converted(packr.unpack(bytes), fromMsgpack);
}

/** The value itself, or a copy of what becomes something else. */
function converted(value: unknown, leaf: (value: unknown) => unknown, levels = depthLimit): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return leaf(value);
  if (levels === 0) throw new RangeError("nested too deeply");
  if (!Array.isArray(value) && !isPlain(Object.getPrototypeOf(value))) return leaf(value);
  const parts = value as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(parts)) {
    const made = converted(parts[key], leaf, levels - 1);
    if (made === parts[key]) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[key] = made;
  }
  return copy ?? value;
}

function isPlain(prototype: unknown): boolean {
  return prototype === Object.prototype || prototype === null;
}

function fromJson(value: unknown): unknown {
  return typeof value === "string" && value.charCodeAt(0) === 0 ? new Uint8Array(Buffer.from(value.slice(1), "base64")) : value;
}

function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return `\0${Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64")}`;
  return typeof value === "bigint" ? Number(value) : value;
}

function fromMsgpack(value: unknown): unknown {
  if (typeof value === "bigint" && value !== BigInt.asIntN(64, value) && value !== BigInt.asUintN(64, value))
    throw new TypeError("extensions are not known");
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  throw new TypeError("extensions are not known");
}

function toMsgpack(value: unknown): unknown {
  const isLarge = typeof value === "number" && Number.isInteger(value) && (value >= 2 ** 32 || value < -(2 ** 31));
  if (isLarge && Math.abs(value) <= 2 ** 53) return new LargeInteger(value);
  if (typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function") return value.toJSON();
  return value;
}
