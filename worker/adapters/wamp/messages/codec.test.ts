// What a client's MessagePack becomes, and what of it is not looked at.

import { pack } from "msgpackr";
import { expect, test } from "vitest";
import { ReceivedMessage } from "../../../message.ts";
import { readOnlyCopy } from "../../../read-only.ts";
import { encodeState } from "../../../state-codec.ts";
import { decode, NotDecodable } from "./codec.ts";

const read = (bytes: Uint8Array) => decode(new ReceivedMessage(bytes, true), "msgpack");

/** Within a list of one. @param content what follows the type of an extension of one byte, and that byte. */
const extension = (type: number, content: Uint8Array) => Buffer.concat([Buffer.from([0x91, 0xd4, type, 0]), content]);

test("extensions are refused unread: others of this process have some, which trust what they read", () => {
  // What states have, see state-codec.ts. It would be read for as long as this says: 10^300 entries, or bytes.
  for (const kind of ["Map", "Uint8Array"])
    expect(() => read(extension(1, pack([kind, { length: 1e300 }])))).toThrow("extensions are not known");
  expect(() => read(Buffer.concat([Buffer.from([0x91]), encodeState(readOnlyCopy(new Set([1])), 100)]))).toThrow(
    "extensions are not known",
  );
  // A key is text: this number's has more than 150,000 digits.
  const number = Buffer.concat([Buffer.from([0x81, 0xc8, 0xff, 0xff, 0x42]), Buffer.alloc(0xffff, 90), Buffer.from([1])]);
  const others = [
    [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1],
    [0xc7, 0, 5],
    [0xc9, 0, 0, 0, 1, 5, 0],
    [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
    [0xc1],
  ];
  for (const bytes of [number, ...others.map((each) => Buffer.from(each))]) expect(() => read(bytes)).toThrow("extensions are not known");
});

test("everything else is read, also what looks like an extension and is within text or bytes", () => {
  const text = "\u00c7\u00d4".repeat(50);
  const parts = [
    null,
    true,
    1,
    -1,
    200,
    -200,
    70_000,
    -70_000,
    2 ** 40,
    1.5,
    "",
    "a".repeat(40),
    text,
    text.repeat(400),
    Buffer.alloc(300, 0xc7),
  ];
  const value = [
    ...parts,
    undefined,
    Buffer.alloc(70_000, 0xd4),
    Buffer.alloc(1, 0xd8),
    { deep: [{ list: Array.from({ length: 300 }, (_, n) => n) }] },
  ];
  expect(read(pack(value))).toEqual(value.map((each) => (Buffer.isBuffer(each) ? new Uint8Array(each) : each)));
});

test("what ends too early is refused", () => {
  const bytes = pack([48, 1, {}, "com.example.add", ["text of more than 31 characters, whose length is told", 70_000, Buffer.alloc(300)]]);
  for (let length = 0; length < bytes.length; length++) expect(() => read(bytes.subarray(0, length))).toThrow(NotDecodable);
});
