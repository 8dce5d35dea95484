import { describe, expect, test } from "vitest";
import { decodePublish, decodePublishExcept } from "../protocol/payloads.ts";
import { flag, toGateway } from "../protocol/records.ts";
import { checkExcept, Effects, frameOf, publishExceptPayload, publishPayload } from "./effects.ts";
import { ReceivedMessage } from "./message.ts";

describe("what is collected", () => {
  test("keeps its order, and counts bytes of UTF-8 and a record's own sixteen", () => {
    const effects = new Effects(1_000);
    effects.add(toGateway.send, "é");
    effects.add(toGateway.send, new Uint8Array([1, 2, 3]), flag.binary);
    expect(effects.all.map(({ type, flags, bytes }) => [type, flags, bytes])).toEqual([
      [toGateway.send, 0, 2],
      [toGateway.send, flag.binary, 3],
    ]);
    expect(effects.bytes).toBe(2 + 16 + 3 + 16);
  });

  test("takes exactly the limit; what passes it is refused and is not among them", () => {
    const effects = new Effects(2 * (16 + 4));
    effects.add(toGateway.send, "four");
    effects.add(toGateway.send, "four");
    expect(() => effects.add(toGateway.send, "")).toThrow(
      /^effects\.tooLarge: this turn would ask for 56 bytes, at most 40 .*EFFECTS_BYTES/,
    );
    expect(() => effects.add(toGateway.send, "")).toThrow("flush() commits early");
    // No flush helps what is too large by itself.
    expect(() => effects.add(toGateway.send, "x".repeat(25))).toThrow(/one effect has 41 bytes, at most 40 .*raise EFFECTS_BYTES$/);
    expect(effects.all).toHaveLength(2);
    expect(effects.bytes).toBe(40);
  });

  test("begins anew after clear, and leaves what it handed out alone", () => {
    const effects = new Effects(20);
    effects.add(toGateway.send, "four");
    const before = effects.all;
    effects.clear();
    effects.add(toGateway.send, "more");
    expect(before.map(({ payload }) => payload)).toEqual(["four"]);
    expect(effects.all.map(({ payload }) => payload)).toEqual(["more"]);
  });
});

describe("frames", () => {
  test.each([
    ["text", "text"],
    ["", ""],
    [{ a: 1 }, '{"a":1}'],
    [[1, "é"], '[1,"é"]'],
    [0, "0"],
    [false, "false"],
    [null, "null"],
  ])("%j is a text frame", (data, text) => {
    expect(frameOf(data)).toEqual({ payload: text, flags: 0 });
  });

  test("bytes are a binary frame with bytes of its own, of the view alone", () => {
    const buffer = new Uint8Array([0, 1, 2, 3]);
    const frames = [frameOf(buffer.subarray(1, 3)), frameOf(buffer.buffer), frameOf(new DataView(buffer.buffer, 2))];
    buffer.fill(9);
    expect(frames.map(({ payload, flags }) => [[...payload], flags])).toEqual([
      [[1, 2], flag.binary],
      [[0, 1, 2, 3], flag.binary],
      [[2, 3], flag.binary],
    ]);
  });

  test("a received message goes on as it came", () => {
    const raw = Buffer.from("{ not JSON");
    expect(frameOf(new ReceivedMessage(raw, false))).toEqual({ payload: raw, flags: 0 });
    expect(frameOf(new ReceivedMessage(raw, true))).toEqual({ payload: raw, flags: flag.binary });
  });

  test("what has no JSON is send.invalid", () => {
    const cycle: Record<string, unknown> = {};
    cycle.own = cycle;
    const late = Promise.resolve("late");
    expect(() => frameOf(() => 1)).toThrow("send.invalid: there is no JSON for function");
    expect(() => frameOf(undefined as never)).toThrow("send.invalid: there is no JSON for undefined");
    expect(() => frameOf({ n: 1n })).toThrow("send.invalid: there is no JSON for it: TypeError: ");
    expect(() => frameOf(cycle)).toThrow("send.invalid: there is no JSON for it: TypeError: ");
    expect(() => frameOf(late as never)).toThrow("send.invalid: a promise cannot be sent: await it first");
  });
});

test("a publish may name connections that do not get it", () => {
  const except = checkExcept(["g1-0-0", "g2-a-7"]);
  const payload = publishExceptPayload("r", frameOf("é"), except);
  expect(decodePublishExcept(Buffer.from(payload))).toEqual({ topic: "r", data: Buffer.from("é"), except: ["g1-0-0", "g2-a-7"] });
  expect(() => decodePublishExcept(Buffer.from(payload.subarray(0, 10)))).toThrow("envelope.malformed");
  for (const wrong of ["g1-0-0", [7], [""], ["ada"], [`g1-${"é".repeat(127)}`], Array(101).fill("g1-0-0")]) {
    expect(() => checkExcept(wrong), JSON.stringify(wrong)).toThrow("except.invalid");
  }
});

test("a publish carries its topic and its data", () => {
  expect(decodePublish(Buffer.from(publishPayload("röom", frameOf("é"))))).toEqual({ topic: "röom", data: Buffer.from("é") });
  expect(decodePublish(Buffer.from(publishPayload("r", frameOf(new Uint8Array([7])))))).toEqual({ topic: "r", data: Buffer.from([7]) });
});
