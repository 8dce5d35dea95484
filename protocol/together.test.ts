import { expect, test } from "vitest";
import { decodeTogether, encodeTogether, type OneFrame, togetherLimit } from "./together.ts";

function frame(text: string, isBinary = false): OneFrame {
  return { data: Buffer.from(text), isBinary };
}

test("what is put together comes apart again, empty frames as well", () => {
  for (const frames of [[frame("é")], [frame(""), frame("b", true), frame("")], Array.from({ length: togetherLimit }, () => frame("x"))]) {
    expect(decodeTogether(encodeTogether(frames))).toEqual(frames);
  }
});

test("what does not come apart is refused whole", () => {
  const whole = encodeTogether([frame("head"), frame("tail", true)]);
  for (let end = 0; end < whole.length; end++) {
    if (end === 9) continue;
    expect(() => decodeTogether(whole.subarray(0, end)), String(end)).toThrow("envelope.malformed");
  }
  const tooMany = encodeTogether(Array.from({ length: togetherLimit + 1 }, () => frame("")));
  expect(() => decodeTogether(tooMany)).toThrow("frames that belong together are 66, not 1 to 65");
});
