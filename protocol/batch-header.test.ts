import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BatchHeader, HeaderLayout, KnownHeaders } from "./batch-header.ts";
import { packValue, unpackValue } from "./msgpack.ts";

const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const id = fc.oneof(fc.constantFrom("", "g1", "w1"), fc.string({ maxLength: 40, unit: "binary" }));
const anyHeader: fc.Arbitrary<BatchHeader> = fc.record({
  from: id,
  to: id,
  session: count,
  peerSession: count,
  seq: count,
  ack: count,
  gap: fc.boolean(),
});

function written(header: BatchHeader): Buffer {
  const layout = new HeaderLayout(header.from, header.to);
  const bytes = Buffer.alloc(layout.bytes, 0xff);
  layout.write(bytes, 0, header);
  return bytes;
}

test("what is written is msgpack, and read as it was, known or not", () => {
  fc.assert(
    fc.property(fc.array(anyHeader, { minLength: 1, maxLength: 40, size: "max" }), (headers) => {
      const known = new KnownHeaders();
      for (const header of [...headers, ...headers]) {
        const bytes = written(header);
        expect(unpackValue(bytes)).toEqual(header);
        expect(known.read(Buffer.concat([Buffer.from("before"), bytes]), 6)).toEqual(header);
      }
    }),
  );
});

test("a header in other forms of msgpack is read, too, behind one that is known", () => {
  const header: BatchHeader = { from: "g1", to: "w1", session: 1_795_000_000_000, peerSession: 3, seq: 70_000, ack: 0, gap: true };
  const known = new KnownHeaders();
  expect(known.read(written(header), 0)).toEqual(header);
  expect(known.read(Buffer.from(packValue({ ...header, more: [1] })), 0)).toEqual({ ...header });
  expect(known.read(written({ ...header, seq: 70_001 }), 0)).toEqual({ ...header, seq: 70_001 });
});

describe("what is nearly a known header is refused like any other that is malformed", () => {
  const header: BatchHeader = { from: "g1", to: "w1", session: 7, peerSession: 1, seq: 2, ack: 1, gap: false };
  const bytes = written(header);
  const known = new KnownHeaders();
  known.read(bytes, 0);

  test.each([
    ["a count below zero", (copy: Buffer) => copy.writeDoubleBE(-1, copy.length - 13)],
    ["a count that is no whole number", (copy: Buffer) => copy.writeDoubleBE(0.5, copy.length - 13)],
    ["a count that is no number", (copy: Buffer) => copy.writeDoubleBE(Number.NaN, copy.length - 13)],
    ["a gap that is null", (copy: Buffer) => copy.writeUInt8(0xc0, copy.length - 1)],
    ["another name", (copy: Buffer) => copy.write("hap", copy.length - 4)],
  ])("%s", (_, change) => {
    const copy = Buffer.from(bytes);
    change(copy);
    expect(() => known.read(copy, 0)).toThrow(expect.objectContaining({ code: "envelope.malformed" }));
  });

  test("and one byte in it decides who it is from", () => {
    const copy = Buffer.from(bytes);
    copy.write("g2", bytes.indexOf("g1"));
    expect(known.read(copy, 0)).toEqual({ ...header, from: "g2" });
  });
});
