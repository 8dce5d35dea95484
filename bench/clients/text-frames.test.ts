import { expect, test } from "vitest";
import { numberAfter, place, TextFrames } from "./text-frames.ts";

const headerBytes = 6;

function payloads(frames: Uint8Array, payloadBytes: number): string[] {
  const all = Buffer.from(frames);
  const size = headerBytes + payloadBytes;
  return Array.from({ length: all.length / size }, (_, index) => all.toString("latin1", index * size + headerBytes, (index + 1) * size));
}

function numberIn(payload: string, head: ReturnType<typeof numberAfter>): number {
  const bytes = Buffer.from(`xx${payload}`);
  return head.numberOf(bytes, 2, bytes.length);
}

test("a number is JSON wherever it stands, up to the largest", () => {
  const template = `[16,${place},{},"topic",["${place}x"]]`;
  const frames = new TextFrames(template, 3);
  expect([0, 2 ** 53 - 1, 10].map((number) => frames.add(number))).toEqual([false, false, true]);
  const sent = payloads(frames.take(), template.length).map((text) => JSON.parse(text) as unknown);
  expect(sent).toEqual([
    [16, 0, {}, "topic", [`${" ".repeat(15)}0x`]],
    [16, 2 ** 53 - 1, {}, "topic", [`${2 ** 53 - 1}x`]],
    [16, 10, {}, "topic", [`${" ".repeat(14)}10x`]],
  ]);
});

test("a shorter number leaves nothing of a longer one", () => {
  const frames = new TextFrames(place, 1);
  frames.add(12345);
  frames.take();
  frames.add(6);
  expect(payloads(frames.take(), place.length)).toEqual(["6".padStart(place.length)]);
});

test("what was taken keeps its memory where it is still being written", () => {
  const frames = new TextFrames(place, 1);
  frames.add(1);
  const taken = frames.take();
  frames.leave();
  frames.add(2);
  expect(payloads(taken, place.length)).toEqual(["1".padStart(place.length)]);
});

test.each([
  { what: "right behind a prefix", payload: "[50,17,{}]", head: numberAfter("[50,"), number: 17 },
  { what: "behind spaces", payload: 'a["   170 "]', head: numberAfter('a["'), number: 170 },
  { what: "behind two others", payload: '[36,5,6,{},["   7xx"]]', head: numberAfter("[36,", '["'), number: 7 },
  { what: "of another kind", payload: "[8,48,17,{}]", head: numberAfter("[50,"), number: -1 },
  { what: "no number", payload: "[50,{}]", head: numberAfter("[50,"), number: -1 },
  { what: "without what leads to it", payload: "[36,5,6,{}]", head: numberAfter("[36,", '["'), number: -1 },
  { what: "shorter than the prefix", payload: "o", head: numberAfter('a["'), number: -1 },
])("the number of a message: $what", ({ payload, head, number }) => {
  expect(numberIn(payload, head)).toBe(number);
});
