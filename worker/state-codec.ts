// A connection's state as bytes, which its gateway keeps. What msgpack has, it has in msgpack's own way, a Buffer as its binary
// and a Date as its timestamp; everything else is extension 1: an array of the kind's name and what a value of it is made from.

import { addExtension, Packr } from "msgpackr";
import { CodedError } from "../protocol/errors.ts";
import { unpackValue } from "../protocol/msgpack.ts";
import { bytesOfKind, kindOfBytes, viewOf } from "./kinds-of-bytes.ts";
import { isPlain } from "./read-only.ts";

const extensionType = 1;

class Tagged {
  readonly kind: string;
  readonly content: unknown;

  constructor(kind: string, content: unknown) {
    this.kind = kind;
    this.content = content;
  }
}

// msgpackr knows extensions by process, not by packer: it reads them in `unpackValue`, too.
addExtension({
  Class: Tagged,
  type: extensionType,
  write: ({ kind, content }: Tagged) => [kind, content],
  read: ([kind, content]: [string, unknown]) => untagged(kind, content),
});

// A key that is called toJSON is a key like any other.
const packr = new Packr({ useRecords: false, useToJSON: false });

/**
 * @param state a `readOnlyCopy`; undefined: none.
 * @returns msgpack; empty: none.
 * @throws {CodedError} "state.tooLarge"
 */
export function encodeState(state: unknown, limitBytes: number): Uint8Array {
  if (state === undefined) return new Uint8Array(0);
  const bytes = packr.pack(isPlain(state) ? state : tagged(state));
  if (bytes.length <= limitBytes) return bytes;
  throw new CodedError("state.tooLarge", `the state has ${bytes.length} bytes, at most ${limitBytes} are allowed (STATE_BYTES)`);
}

/** @throws {CodedError} "envelope.malformed" */
export function decodeState(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined || bytes.length === 0) return undefined;
  // msgpackr gives binaries the class of what they are read from.
  return unpackValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

function tagged(value: unknown): unknown {
  if (Object.is(value, -0)) return new Tagged("-0", null);
  if (typeof value === "bigint") return BigInt.asIntN(64, value) === value ? value : new Tagged("bigint", String(value));
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(tagged);
  if (value instanceof Map) return new Tagged("Map", [...value].flat().map(tagged));
  if (value instanceof Set) return new Tagged("Set", [...value].map(tagged));
  const kind = kindOfBytes(value);
  if (kind === "Buffer" || value instanceof Date) return value;
  if (kind !== undefined) return new Tagged(kind, Buffer.from(viewOf(value as ArrayBuffer | ArrayBufferView)));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, tagged(part)]));
}

function untagged(kind: string, content: unknown): unknown {
  if (kind === "-0") return -0;
  if (kind === "bigint") return BigInt(content as string);
  if (kind === "Set") return new Set(content as unknown[]);
  if (kind === "Map") {
    const parts = content as unknown[];
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < parts.length; index += 2) map.set(parts[index], parts[index + 1]);
    return map;
  }
  const { buffer } = new Uint8Array(content as Uint8Array);
  const bytes = bytesOfKind(kind, buffer);
  if (bytes === undefined) throw new TypeError(`this release does not know the kind ${kind}`);
  return bytes;
}
