import { expect, test } from "vitest";
import { OutgoingFrames } from "./outgoing-frames.ts";

test("a frame is final, text, masked with zeros, and begins with number and time", () => {
  const frames = new OutgoingFrames({ payloadBytes: 12, most: 2 });
  expect(frames.numbered(1, 1, 2).toString("latin1")).toBe("\x81\x8c\0\0\0\x000000100002xx");
  expect(frames.numbered(63, 2, 64).toString("latin1")).toBe("\x81\x8c\0\0\0\x000000o00010xx\x81\x8c\0\0\0\x000001000010xx");
});

test("from 126 bytes on, the length stands in two bytes of its own", () => {
  expect(new OutgoingFrames({ payloadBytes: 125, most: 1 }).numbered(0, 1, 0).subarray(0, 6).toString("hex")).toBe("81fd00000000");
  expect(new OutgoingFrames({ payloadBytes: 126, most: 1 }).numbered(0, 1, 0).subarray(0, 8).toString("hex")).toBe("81fe007e00000000");
  expect(new OutgoingFrames({ payloadBytes: 16_384, most: 1 }).numbered(0, 1, 0).length).toBe(8 + 16_384);
});

test("what is still being written keeps what it says", () => {
  const frames = new OutgoingFrames({ payloadBytes: 10, most: 1 });
  const first = frames.numbered(1, 1, 0);
  frames.leave();
  expect(frames.numbered(2, 1, 0).toString("latin1")).toContain("0000200000");
  expect(first.toString("latin1")).toContain("0000100000");
});
