import { describe, expect, test } from "vitest";
import { answers, beatFrame, checkHeartbeat, type Heartbeat, parseHeartbeat } from "./heartbeat.ts";
import { packValue } from "./msgpack.ts";

const whole = { every: 25_000, send: "2", expect: "3", within: 20_000, close: { code: 4000, reason: "ping timeout" } };

test("what a handler sets arrives as it is", () => {
  for (const heartbeat of [whole, { every: 100, send: "h" }, { ...whole, send: new Uint8Array([1]), expect: new Uint8Array(64) }]) {
    const arrived = parseHeartbeat(packValue(checkHeartbeat(heartbeat)));
    expect(framed(arrived)).toEqual(framed(heartbeat));
  }
});

/** Bytes are of other classes where they arrive. */
function framed({ send, expect: expected, ...rest }: Heartbeat): object {
  return { ...rest, send: beatFrame(send), expect: expected && beatFrame(expected) };
}

describe("is refused, and told why", () => {
  const cases: ReadonlyArray<readonly [what: string, heartbeat: unknown, text: string]> = [
    ["too often", { ...whole, every: 99 }, "heartbeat.invalid: every: a whole number of milliseconds from 100 to 2147483647"],
    ["no number", { ...whole, within: 0.5 }, "heartbeat.invalid: within: a whole number of milliseconds from 1 to 2147483647"],
    ["nothing sent", { ...whole, send: "" }, "heartbeat.invalid: send: 1 to 64 bytes, as text or a Uint8Array"],
    ["too many bytes", { ...whole, expect: "€".repeat(22) }, "heartbeat.invalid: expect: 1 to 64 bytes, as text or a Uint8Array"],
    ["no close", { every: 100, send: "2", expect: "3", within: 1 }, "expect, within and close go together"],
    ["nothing expected", { every: 100, send: "2", within: 1 }, "expect, within and close go together"],
    ["a code of the protocol's own", { ...whole, close: { code: 1001, reason: "" } }, "close.invalid: the close code 1001"],
    ["a misspelt option", { ...whole, expects: "3" }, "heartbeat.invalid"],
    ["nothing at all", null, "heartbeat.invalid"],
  ];
  test.each(cases)("%s", (_what, heartbeat, text) => {
    expect(() => checkHeartbeat(heartbeat)).toThrow(text);
  });
});

test("only what begins with all of it answers", () => {
  const expected = beatFrame("pong");
  const cases = ["pong", "pong!", "pon", "", "Pong", "xpong"].map((text) => answers(expected, Buffer.from(text), false));
  expect(cases).toEqual(["exactly", "longer", "no", "no", "no", "no"]);
  expect(answers(expected, Buffer.from("pong"), true)).toBe("no");
});
