import * as v from "valibot";
import { expect, test } from "vitest";
import { protocolVersion } from "./envelope.ts";
import { messageFormat } from "./message-format.ts";

const { encode, parse } = messageFormat("T", "of a test", v.object({ inner: v.object({ count: v.number() }) }));

test("a message is a version, a letter and msgpack, and reads as it was written", () => {
  const bytes = encode({ inner: { count: 1 } });
  expect([...bytes.subarray(0, 2)]).toEqual([protocolVersion, 0x54]);
  expect(parse(bytes)).toEqual({ inner: { count: 1 } });
});

test("what is none is refused, and told by what is wrong", () => {
  const bytes = encode({ inner: { count: "1" } } as never);
  expect(() => parse(bytes)).toThrow(
    expect.objectContaining({ code: "envelope.malformed", message: expect.stringContaining("inner.count") }),
  );
  const other = Buffer.from(encode({ inner: { count: 1 } }));
  other[0] = 250;
  expect(() => parse(other)).toThrow(expect.objectContaining({ code: "envelope.version" }));
  other[1] = 0x55;
  expect(() => parse(other)).toThrow(expect.objectContaining({ code: "envelope.malformed" }));
  for (const short of [bytes.subarray(0, 2), Buffer.alloc(0)]) {
    expect(() => parse(short)).toThrow(expect.objectContaining({ code: "envelope.malformed" }));
  }
});
