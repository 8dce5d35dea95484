import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BatchHeader, HeaderLayout } from "./batch-header.ts";
import { type Batch, BatchBuilder, decodeBatch, encodeEmptyBatch, type RecordHead } from "./envelope.ts";
import { isCodedError } from "./errors.ts";
import { packValue, unpackValue } from "./msgpack.ts";

const slabBytes = 256 * 1024;

const header: BatchHeader = { from: "g1", to: "w1", session: 7, peerSession: 0, seq: 1, ack: 0, gap: false };
const head: RecordHead = { type: 3, flags: 1, extra: 0, slot: 5, epoch: 2 };

type Put = { readonly head: RecordHead } & ({ readonly payload: Uint8Array } | { readonly text: string } | { readonly mark: true });

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyHead: fc.Arbitrary<RecordHead> = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  flags: fc.integer({ min: 0, max: 255 }),
  extra: fc.integer({ min: 0, max: 65_535 }),
  slot: u32,
  epoch: u32,
});
// Sizes around where a slab ends are rare by chance, so they are drawn by name; what is in them does not matter.
const anyBytes = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(slabBytes - 5_000, slabBytes - 4_096, slabBytes - 12, slabBytes, slabBytes + 1, 2 * slabBytes), fc.nat(255))
      .map(([length, fill]) => new Uint8Array(length).fill(fill)),
  },
);
const anyPut: fc.Arbitrary<Put> = fc.oneof(
  fc.record({ head: anyHead, payload: anyBytes }),
  fc.record({ head: anyHead, text: fc.string({ unit: "binary", maxLength: 100 }) }),
  fc.record({ head: anyHead, mark: fc.constant(true as const) }),
);
const anyPuts = fc.array(anyPut, { minLength: 1, maxLength: 40, size: "max" });
const anyCount = fc.oneof(fc.nat(300), fc.maxSafeNat());
const anyHeader: fc.Arbitrary<BatchHeader> = fc.record({
  from: fc.string({ maxLength: 64 }),
  to: fc.string({ maxLength: 64 }),
  session: anyCount,
  peerSession: anyCount,
  seq: anyCount,
  ack: anyCount,
  gap: fc.boolean(),
});

/** @returns where the builder says that a payload of bytes lies; undefined for the other kinds. */
function put(builder: BatchBuilder, record: Put): Uint8Array | undefined {
  if ("payload" in record) {
    const at = builder.append(record.head, record.payload);
    return builder.memory.subarray(at, at + record.payload.length);
  }
  if ("text" in record) builder.appendText(record.head, record.text, Buffer.byteLength(record.text));
  else builder.appendEmpty(record.head);
  return undefined;
}

function payloadOf(record: Put): Buffer {
  if ("payload" in record) return Buffer.from(record.payload);
  return Buffer.from("text" in record ? record.text : "");
}

function build(records: readonly Put[], batchHeader = header): Uint8Array {
  const builder = new BatchBuilder();
  for (const record of records) put(builder, record);
  return builder.seal(batchHeader);
}

function headAt(batch: Batch, index: number): RecordHead {
  return {
    type: batch.type(index),
    flags: batch.flags(index),
    extra: batch.extra(index),
    slot: batch.slot(index),
    epoch: batch.epoch(index),
  };
}

function expectRecords(batch: Batch, records: readonly Put[]): void {
  expect(batch.records).toBe(records.length);
  for (const [index, record] of records.entries()) {
    expect(headAt(batch, index)).toEqual(record.head);
    // Buffer's own comparison: a payload may be half a megabyte.
    expect(payloadOf(record).equals(batch.payload(index)), `payload ${index}`).toBe(true);
    if ("text" in record) expect(batch.text(index)).toBe(record.text);
  }
}

describe("the format, in literal bytes", () => {
  // msgpack of { from: "g1", to: "w1", session: 7, peerSession: 0, seq: 1, ack: 0, gap: false }, each number as a double.
  const packedHeader = [
    ["87", "a4", hex("from"), "a2", hex("g1"), "a2", hex("to"), "a2", hex("w1"), "a7", hex("session"), "cb401c000000000000"],
    ["ab", hex("peerSession"), "cb0000000000000000", "a3", hex("seq"), "cb3ff0000000000000"],
    ["a3", hex("ack"), "cb0000000000000000", "a3", hex("gap"), "c2"],
  ].flat();
  const headerBytes = "5400";

  test("a batch of two messages and a pin's end", () => {
    const builder = new BatchBuilder();
    builder.append({ type: 3, flags: 1, extra: 0, slot: 5, epoch: 2 }, Buffer.from("\xff\x00", "latin1"));
    builder.appendText({ type: 37, flags: 2, extra: 1000, slot: 0x01020304, epoch: 0xfffffffe }, "né", 3);
    builder.appendEmpty({ type: 6, flags: 0, extra: 0, slot: 5, epoch: 2 });
    expect(Buffer.from(builder.seal(header)).toString("hex")).toBe(
      [
        ["01", "42", headerBytes, "03000000", "05000000"],
        ["ff00", "6ec3a9"],
        ["03", "01", "0000", "05000000", "02000000", "02000000"],
        ["25", "02", "e803", "04030201", "feffffff", "03000000"],
        ["06", "00", "0000", "05000000", "02000000", "00000000"],
        packedHeader,
      ]
        .flat()
        .join(""),
    );
  });

  test("an acknowledgement without records", () => {
    expect(Buffer.from(encodeEmptyBatch(header)).toString("hex")).toBe(
      ["01", "42", headerBytes, "00000000", "00000000", packedHeader].flat().join(""),
    );
  });

  function hex(text: string): string {
    return Buffer.from(text).toString("hex");
  }
});

describe("what is decoded is what was encoded", () => {
  test("any records, with payloads from none to larger than a slab", () => {
    fc.assert(
      fc.property(anyPuts, anyHeader, (records, batchHeader) => {
        const batch = decodeBatch(build(records, batchHeader));
        expect(batch.header).toEqual(batchHeader);
        expectRecords(batch, records);
      }),
    );
  });

  test("an empty batch", () => {
    fc.assert(
      fc.property(anyHeader, (batchHeader) => {
        const batch = decodeBatch(encodeEmptyBatch(batchHeader));
        expect(batch.header).toEqual(batchHeader);
        expect(batch.records).toBe(0);
      }),
    );
  });

  test("more records than the table had room for", () => {
    const records = Array.from({ length: 1_000 }, (_, index) => ({ head: { ...head, slot: index }, payload: Buffer.from([index & 255]) }));
    expectRecords(decodeBatch(build(records)), records);
  });

  test("bytes that lie anywhere in a larger buffer", () => {
    const bytes = build([{ head, text: "somewhere" }]);
    const around = Buffer.concat([Buffer.from([1, 0x42, 9]), bytes, Buffer.from([0])]);
    expect(decodeBatch(around.subarray(3, 3 + bytes.length)).text(0)).toBe("somewhere");
  });
});

test("what was handed out and what was sealed never changes, whatever is built later", () => {
  fc.assert(
    fc.property(fc.array(anyPuts, { minLength: 2, maxLength: 6 }), (batches) => {
      const builder = new BatchBuilder();
      const built = batches.map((records) => {
        const views = records.map((record) => put(builder, record));
        const sealed = builder.seal(header);
        return { records, views, sealed, asItWas: Buffer.from(sealed) };
      });
      for (const { records, views, sealed, asItWas } of built) {
        expect(asItWas.equals(sealed)).toBe(true);
        expectRecords(decodeBatch(sealed), records);
        for (const [index, record] of records.entries()) {
          const view = views[index];
          if (view !== undefined) expect(payloadOf(record).equals(view)).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("a builder tells how large its batch will be, but for the header", () => {
  fc.assert(
    fc.property(anyPuts, (records) => {
      const builder = new BatchBuilder();
      expect([builder.records, builder.bytes]).toEqual([0, 0]);
      for (const record of records) put(builder, record);
      expect(builder.records).toBe(records.length);
      const { bytes } = builder;
      expect(builder.seal(header).length).toBe(bytes + new HeaderLayout(header.from, header.to).bytes);
      expect([builder.records, builder.bytes]).toEqual([0, 0]);
    }),
  );
});

describe("bytes that are no batch are refused with a code, and with nothing else", () => {
  const literal = build([
    { head, text: "one" },
    { head, text: "two" },
  ]);

  function refusal(bytes: Uint8Array): string | undefined {
    try {
      const batch = decodeBatch(bytes);
      // Whatever was let through can be read to its end.
      for (let index = 0; index < batch.records; index++) [headAt(batch, index), batch.payload(index), batch.text(index)];
      return undefined;
    } catch (error) {
      if (isCodedError(error)) return error.code;
      throw error;
    }
  }

  function changed(at: number, value: number): Uint8Array {
    const bytes = Buffer.from(literal);
    bytes[at] = value;
    return bytes;
  }

  function withHeader(value: unknown): Uint8Array {
    const packed = packValue(value);
    const prelude = Buffer.alloc(12);
    prelude.write("\x01\x42");
    prelude.writeUInt16LE(packed.length, 2);
    return Buffer.concat([prelude, packed]);
  }

  test.each([
    ["nothing", new Uint8Array(0), "envelope.malformed"],
    ["less than a prelude", literal.subarray(0, 11), "envelope.malformed"],
    ["a prelude alone", literal.subarray(0, 12), "envelope.malformed"],
    ["an announcement", changed(1, 0x4d), "envelope.malformed"],
    ["an earlier version", changed(0, 0), "envelope.version"],
    ["a later version", changed(0, 2), "envelope.version"],
    ["more records than there are", changed(4, 3), "envelope.malformed"],
    ["four billion records", changed(7, 255), "envelope.malformed"],
    ["a block that is longer than the batch", changed(8, 255), "envelope.malformed"],
    ["a payload that is longer than the block", changed(12 + 6 + 12, 4), "envelope.malformed"],
    ["a header said to be shorter than it is", changed(2, 0x53), "envelope.malformed"],
    ["a byte too many", Buffer.concat([literal, Buffer.from([0])]), "envelope.malformed"],
    ["a header that is no msgpack", changed(literal.length - 84, 0xdf), "envelope.malformed"],
    ["a header that is null", withHeader(null), "envelope.malformed"],
    ["a header that is a list", withHeader([1, 2]), "envelope.malformed"],
    ["a header without a field", withHeader({ ...header, ack: undefined }), "envelope.malformed"],
    ["a count below zero", withHeader({ ...header, seq: -1 }), "envelope.malformed"],
    ["a count that is no whole number", withHeader({ ...header, session: 1.5 }), "envelope.malformed"],
    ["a count beyond what is exact", withHeader({ ...header, ack: 2 ** 60 }), "envelope.malformed"],
    ["a count that is text", withHeader({ ...header, peerSession: "1" }), "envelope.malformed"],
    ["a sender that is no text", withHeader({ ...header, from: 1 }), "envelope.malformed"],
    ["a gap that is a number", withHeader({ ...header, gap: 1 }), "envelope.malformed"],
  ])("%s", (_, bytes, code) => {
    expect(refusal(bytes)).toBe(code);
  });

  test("a batch that was cut off anywhere", () => {
    for (let length = 0; length < literal.length; length++) {
      expect(refusal(literal.subarray(0, length)), `${length} bytes`).toBe("envelope.malformed");
    }
  });

  test("a batch with any of its bytes changed is refused, or read to its end", () => {
    fc.assert(
      fc.property(anyPuts, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }), (records, changes) => {
        const bytes = Buffer.from(build(records));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        expect([undefined, "envelope.malformed", "envelope.version"]).toContain(refusal(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes, and any bytes behind a good prelude", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(refusal(bytes)).toMatch(/^envelope\./);
        const prelude = Buffer.alloc(12);
        prelude.set([1, 0x42, bytes.length & 255, bytes.length >> 8]);
        expect(refusal(Buffer.concat([prelude, bytes]))).toBe("envelope.malformed");
      }),
      { numRuns: 2_000 },
    );
  });

  test("a value that is no msgpack", () => {
    expect(() => unpackValue(new Uint8Array(0))).toThrow("envelope.malformed");
    expect(() => unpackValue(Buffer.from([0xa5, 0x61]))).toThrow("envelope.malformed");
    expect(() => unpackValue(Buffer.from("ddffffffff", "hex"))).toThrow("envelope.malformed");
    expect(() => unpackValue(Buffer.from([1, 2]))).toThrow("envelope.malformed");
  });
});

test("a packed value is unpacked as it was, its bytes as bytes", () => {
  const value = { id: "ü", state: new Uint8Array([1, 2]), topics: ["a"], at: 2 ** 40, none: null };
  const { state, ...rest } = unpackValue(packValue(value)) as typeof value;
  expect(rest).toEqual({ id: "ü", topics: ["a"], at: 2 ** 40, none: null });
  expect(Buffer.from(state)).toEqual(Buffer.from([1, 2]));
});
