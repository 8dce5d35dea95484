import { expect, test } from "vitest";
import type { Frame } from "./frame-queue.ts";
import { type FrameFormat, writeFrame } from "./frame-text.ts";

const text = (data: string): Frame => ({ data: Buffer.from(data), isBinary: false });
const binary = (data: string): Frame => ({ data: Buffer.from(data), isBinary: true });

function written(frames: readonly Frame[], format: FrameFormat, { isFirst = true, mostBytes = 1_000 } = {}): [string, number] | undefined {
  const frame = writeFrame((index) => frames[index], format, { isFirst, mostBytes });
  return frame && [frame.bytes.toString(), frame.frames];
}

test.each<[string, readonly Frame[], FrameFormat, string, number]>([
  ["as it is", [text("a"), text("b")], {}, "a", 1],
  ["with what stands around it", [text("a")], { before: "<", after: ">\n", between: "|" }, "<a>\n", 1],
  ["as the inside of a JSON string", [text('a["é\n"]')], { before: 'c("', escape: "json", after: '");' }, 'c("a[\\"é\\n\\"]");', 1],
  ["fit for a script in a page", [text("</script>\u2028\u2029")], { escape: "json" }, "\\u003c/script>\\u2028\\u2029", 1],
  ["with each % escaped", [text("100%25")], { escape: "percent" }, "100%2525", 1],
  ["binary, as base64", [binary("hi")], { binaryBefore: "b" }, "baGk=", 1],
  ["binary and JSON", [binary("hi")], { binaryBefore: '"', escape: "json" }, '\\"aGk=', 1],
])("a frame is written %s", (_, frames, format, bytes, count) => {
  expect(written(frames, format)).toEqual([bytes, count]);
});

test("behind another one of its answer, what is between them comes first", () => {
  expect(written([text("a")], { between: "\x1e", before: "<" }, { isFirst: false })).toEqual(["\x1e<a", 1]);
});

test("nothing waits: nothing is written", () => {
  expect(written([], { before: "<" })).toBeUndefined();
});

const join = { begin: "a[", between: ",", end: "]" };

test.each<[string, readonly Frame[], string, number]>([
  ["those that begin and end so become one", [text('a["x"]'), text('a["y","z"]'), text("h"), text('a["q"]')], 'a["x","y","z"]', 2],
  ["one alone stays as it is", [text('a["x"]'), text("c[1]")], 'a["x"]', 1],
  ["what does not begin so stands alone", [text("o"), text('a["x"]')], "o", 1],
  ["what begins and ends with the same letters is none", [text("a[]"), text("a]")], "a[]", 1],
  ["a binary one is not joined", [text("a[1]"), binary("a[2]")], "a[1]", 1],
])("joined: %s", (_, frames, bytes, count) => {
  expect(written(frames, { join })).toEqual([bytes, count]);
});

test("joined frames end where they have as many bytes as the answer may have", () => {
  const frames = Array.from({ length: 10 }, () => text("a[12345]"));
  expect(written(frames, { join }, { mostBytes: 20 })).toEqual(["a[12345,12345,12345]", 3]);
});
