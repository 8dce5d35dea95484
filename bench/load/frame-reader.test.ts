import fc from "fast-check";
import { expect, test } from "vitest";
import { digitLimit, readDigits, writeDigits } from "./digits.ts";
import { FrameReader } from "./frame-reader.ts";
import { payloadHeadBytes } from "./outgoing-frames.ts";

/** What a reader says of pieces, a line for each thing. */
function read(...pieces: Uint8Array[]): string[] {
  const heard: string[] = [];
  const reader = new FrameReader({
    onMessage: (number, stamp, bytes) => heard.push(`${number} at ${stamp}, ${bytes} bytes`),
    onClose: () => heard.push("close"),
    onMalformed: () => heard.push("malformed"),
  });
  for (const piece of pieces) reader.read(piece, 0, piece.length);
  return heard;
}

/** A server's frame, RFC 6455, 5.2. */
function frame(payload: Uint8Array, opcode = 0x1): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = 0x80 | opcode;
  header[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

function numbered(number: number, stamp: number, bytes: number): Buffer {
  const payload = Buffer.alloc(bytes, "x");
  writeDigits(payload, 0, number);
  writeDigits(payload, 5, stamp);
  return payload;
}

test("a text frame as a server sends it", () => {
  expect(read(Buffer.from("\x81\x0a0000100002", "latin1"))).toEqual(["1 at 2, 10 bytes"]);
});

test.each([
  { what: "a greeting", bytes: frame(Buffer.from("open")), heard: ["-1 at 0, 4 bytes"] },
  { what: "a binary frame", bytes: frame(numbered(3, 4, 64), 0x2), heard: ["3 at 4, 64 bytes"] },
  { what: "125 bytes", bytes: frame(numbered(3, 4, 125)), heard: ["3 at 4, 125 bytes"] },
  { what: "126 bytes", bytes: frame(numbered(3, 4, 126)), heard: ["3 at 4, 126 bytes"] },
  { what: "64 KiB", bytes: frame(numbered(3, 4, 65_536)), heard: ["3 at 4, 65536 bytes"] },
  { what: "a ping and a pong", bytes: Buffer.concat([frame(Buffer.from("hello"), 0x9), frame(Buffer.alloc(0), 0xa)]), heard: [] },
  { what: "a close", bytes: frame(Buffer.from([0x03, 0xe8]), 0x8), heard: ["close"] },
  { what: "a fragment", bytes: Buffer.from([0x01, 0x00]), heard: ["malformed"] },
  { what: "a reserved bit", bytes: Buffer.from([0xc1, 0x00]), heard: ["malformed"] },
])("$what is heard as what it is", ({ bytes, heard }) => {
  expect(read(bytes)).toEqual(heard);
});

test("a message is heard when its last byte has come, and not before", () => {
  const bytes = frame(numbered(7, 8, 200));
  expect(read(bytes.subarray(0, -1))).toEqual([]);
  expect(read(bytes.subarray(0, -1), bytes.subarray(-1))).toEqual(["7 at 8, 200 bytes"]);
});

test("pieces of any size tell the same", () => {
  const anyNumber = fc.integer({ min: 0, max: digitLimit });
  const anySize = fc.oneof(fc.integer({ min: payloadHeadBytes, max: 300 }), fc.constantFrom(125, 126, 65_535, 65_536, 70_000));
  const anyMessage = fc.record({ number: anyNumber, stamp: anyNumber, bytes: anySize });
  const anyCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20, size: "max" });
  fc.assert(
    fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 5 }), anyCuts, (messages, shares) => {
      const whole = Buffer.concat(messages.map(({ number, stamp, bytes }) => frame(numbered(number, stamp, bytes))));
      const cuts = [0, ...shares.map((share) => Math.floor(share * whole.length)).sort((a, b) => a - b), whole.length];
      const pieces = cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end));
      expect(read(...pieces)).toEqual(messages.map(({ number, stamp, bytes }) => `${number} at ${stamp}, ${bytes} bytes`));
    }),
  );
});

test("byte by byte", () => {
  const whole = Buffer.concat([frame(Buffer.from("open")), frame(numbered(0, 1, 64)), frame(numbered(1, 2, 300))]);
  expect(read(...[...whole].map((byte) => Buffer.from([byte])))).toEqual(["-1 at 0, 4 bytes", "0 at 1, 64 bytes", "1 at 2, 300 bytes"]);
});

test("digits read as the number that was written, and are ASCII", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: digitLimit }), (number) => {
      const bytes = Buffer.alloc(7, "-");
      writeDigits(bytes, 1, number);
      expect(readDigits(bytes, 1)).toBe(number);
      expect(bytes.toString("latin1")).toMatch(/^-[0-o]{5}-$/);
    }),
  );
});
