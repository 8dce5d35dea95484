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
 * Integers up to 2^53 are numbers, beyond it bigints: msgpackr's types lack "auto". Its own `toJSON` is off, which calls whatever a client
 * has sent by that name.
 */
const types = { int64AsType: "auto" as "number", useToJSON: false };
const packr = new Packr({ useRecords: false, variableMapSize: true, ...types });

/** How many bytes stand before what a value from 0xc0 to 0xdf has, with its type. 0: it is an extension, or no value. Source: MessagePack, "Formats". */
const headBytes = [1, 0, 1, 1, 2, 3, 5, 0, 0, 0, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 0, 0, 0, 0, 0, 2, 3, 5, 3, 5, 3, 5];

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
    return converted(isJson ? message.json() : unpack(message.bytes()), isJson ? fromJson : asItIs, clientDepth);
  } catch (error) {
    throw new NotDecodable((error as Error).message);
  }
}

export function pack(value: unknown): Uint8Array {
  return packr.pack(converted(value, toMsgpack));
}

/**
 * msgpackr reads extensions with the code of whoever in this process has any, and none of it is made for what a client may send.
 * @throws where it is no MessagePack, or has extensions.
 */
export function unpack(bytes: Uint8Array): unknown {
  const { buffer, byteOffset, length } = bytes;
  const view = new DataView(buffer, byteOffset, length);
  for (let at = 0; at < length; ) {
    const head = bytes[at] as number;
    if (head < 0xc0 || head >= 0xe0) {
      at += head >= 0xa0 && head < 0xc0 ? 1 + (head & 0x1f) : 1;
      continue;
    }
    // What msgpackr makes of undefined, in Wampy for one: it is read without any code of others.
    const isUndefined = head === 0xd4 && bytes[at + 1] === 0;
    const size = isUndefined ? 3 : (headBytes[head - 0xc0] as number);
    if (size === 0) throw new TypeError("extensions are not known");
    const hasBytes = (head >= 0xc4 && head <= 0xc6) || (head >= 0xd9 && head <= 0xdb);
    at += size + (hasBytes ? lengthAt(view, at + 1, size - 1) : 0);
  }
  return packr.unpack(bytes);
}

/** @throws {RangeError} where the bytes have come to their end. */
function lengthAt(view: DataView, at: number, bytes: number): number {
  return bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at);
}

/** The value itself, or a copy of what becomes something else. */
function converted(value: unknown, leaf: (value: unknown) => unknown, levels = depthLimit): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return leaf(value);
  if (levels === 0) throw new RangeError("nested too deeply");
  if (Array.isArray(value)) return convertedList(value, leaf, levels - 1);
  if (!isPlain(Object.getPrototypeOf(value))) return leaf(value);
  const parts = value as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(parts)) {
    const made = converted(parts[key], leaf, levels - 1);
    if (made === parts[key]) continue;
    copy ??= { ...parts };
    copy[key] = made;
  }
  return copy ?? value;
}

/** The same of a list: its keys would be texts. */
function convertedList(list: readonly unknown[], leaf: (value: unknown) => unknown, levels: number): unknown {
  let copy: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const made = converted(list[index], leaf, levels);
    if (made === list[index]) continue;
    copy ??= [...list];
    copy[index] = made;
  }
  return copy ?? list;
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

function asItIs(value: unknown): unknown {
  return value;
}

function toMsgpack(value: unknown): unknown {
  const isLarge = typeof value === "number" && Number.isInteger(value) && (value >= 2 ** 32 || value < -(2 ** 31));
  if (isLarge && Math.abs(value) <= 2 ** 53) return new LargeInteger(value);
  if (typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function") return value.toJSON();
  return value;
}
